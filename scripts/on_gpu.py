#!/usr/bin/env python3
"""On a machine with a GPU and PyTorch 2.11: whether lock step finds there what a processor finds, how fast it is, and the paper's runs.

    python3 scripts/on_gpu.py GPU_FOLDER RESULTS [--parts agreement,speed,paper] [--minutes 8]

GPU_FOLDER is what `scripts/gpu_program.py` has filled; Python's standard library suffices. Into RESULTS go `agreement.json`, `speed.csv`,
and `paper.tar.gz`, the results of configs/paper.json, of whose decisive arms as many tasks are trained as fit into the minutes.
The exit code is 1 where something does not agree.
"""

import argparse
import contextlib
import csv
import gzip
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lockstep_speed

ROOT = Path(__file__).resolve().parent.parent
# In f64, relative to a number's size and to a thousandth: what sums in another order leave after 200 updates.
TOLERANCE = 1e-6
# Columns that say how long something took.
TIMES = ("seconds",)
# What speed is measured on, and updates of the shorter runs.
IMAGES, UPDATES = 60_000, 470


def own_libtorch():
    """The libraries of this machine's PyTorch."""
    found = subprocess.run([sys.executable, "-c", "import torch, os; print(torch.__version__); print(os.path.dirname(torch.__file__))"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if found.returncode != 0:
        sys.exit(f"on_gpu: {sys.executable} has no PyTorch: {found.stderr.strip().splitlines()[-1]}")
    version, folder = found.stdout.splitlines()
    if not version.startswith("2.11."):
        sys.exit(f"on_gpu: PyTorch is {version}; expected 2.11, which the program is built against")
    return Path(folder) / "lib"


class Machine:
    """The program, where it finds libtorch and the images."""

    def __init__(self, folder, device, libtorch, scratch):
        self.program, self.device, self.scratch = folder / "trainability", device, scratch
        images = scratch / "cache" / "data" / "mnist"
        images.mkdir(parents=True)
        for packed in (folder / "mnist").glob("*.gz"):
            (images / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
        libraries = [str(libtorch or own_libtorch()), os.environ.get("LD_LIBRARY_PATH", "")]
        self.environment = dict(os.environ, TRAINABILITY_CACHE=str(scratch / "cache"), LD_LIBRARY_PATH=":".join(filter(None, libraries)))

    def sweep(self, config, out, *options, seconds=None):
        """Trains a configuration in lock step. What has not come to its end within the seconds is stopped, and has written what it has."""
        command = [str(self.program), "sweep", str(config), "--out", str(out), "--engine", "lockstep", "--device", self.device, "--jobs", "1",
                   *options]
        with open(self.scratch / "log", "a") as log:
            child = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        try:
            status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            # It looks up between two updates, which at a task's end are far apart.
            child.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=120)
            status = 0
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if status != 0:
            sys.exit(f"on_gpu: {' '.join(command)} ended with {status}:\n" + (self.scratch / "log").read_text()[-3000:])


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def distance(found, expected):
    """Of two fields, relative; infinite where one is a number and the other is not, or they are other words."""
    try:
        one, other = float(found), float(expected)
    except (TypeError, ValueError):
        return 0.0 if found == expected else math.inf
    if math.isnan(one) or math.isnan(other) or math.isinf(one) or math.isinf(other):
        return 0.0 if found == expected else math.inf
    return abs(one - other) / max(abs(other), 1e-3)


def names(folder):
    """The runs of a sweep that have come to their end."""
    finished = sorted(path.parent.relative_to(folder / "runs").as_posix() for path in (folder / "runs").glob("*/*/*/tasks.csv"))
    if not finished:
        sys.exit(f"on_gpu: no run in {folder} has come to its end: scripts/gpu_program.py fills it")
    return finished


def compare(found, expected):
    """The largest distance in each run, and where it is."""
    result = {}
    for name in sorted({*names(found), *names(expected)}):
        worst = (0.0, "")
        for file in ("tasks.csv", "controls.csv"):
            both = [folder / "runs" / name / file for folder in (found, expected)]
            here, there = (rows(path) if path.exists() else [] for path in both)
            if len(here) != len(there) or not here:
                worst = max(worst, (math.inf, f"{file}: {len(here)} rows, expected {len(there)}"))
            for number, (own, other) in enumerate(zip(here, there), 1):
                for column in other:
                    if not any(word in column for word in TIMES):
                        far = distance(own.get(column), other[column])
                        worst = max(worst, (far, f"{file} row {number} {column}: {own.get(column)}, expected {other[column]}"))
        result[name] = worst
    return result


def curve(folder, name):
    path = folder / "runs" / name / "tasks.csv"
    return [float(row["online_accuracy"]) for row in rows(path)] if path.exists() else []


def apart(one, other):
    """The largest difference of two curves; infinite where one ends before the other."""
    return max((abs(a - b) for a, b in zip(one, other)), default=math.inf) if len(one) == len(other) else math.inf


def agreement(machine, folder, results):
    """Numbers in f64 run by run, and curves in f32 beside what rounding alone does to them."""
    found = machine.scratch / "agreement"
    machine.sweep(ROOT / "configs" / "gpu-agreement.json", found)
    distances = compare(found, folder / "cpu" / "agreement")
    far = {name: where for name, (worst, where) in distances.items() if not worst <= TOLERANCE}
    own, replicates = machine.scratch / "curves", [folder / "cpu" / f"replicate-{number}" for number in range(4)]
    machine.sweep(ROOT / "configs" / "gpu-curves.json", own)
    curves = {}
    for name in names(replicates[0]):
        reference = curve(replicates[0], name)
        curves[name] = {"apart": apart(curve(own, name), reference),
                        "replicates_apart": max(apart(curve(replicate, name), reference) for replicate in replicates[1:])}
    largest = {key: max(each[key] for each in curves.values()) for key in ("apart", "replicates_apart")}
    report = {
        "runs_in_f64": len(distances),
        "largest_relative_difference": max(worst for worst, _ in distances.values()),
        "beyond_the_tolerance": far,
        "curves_in_f32": curves,
        "largest_difference_of_a_curve": largest["apart"],
        "largest_between_replicates": largest["replicates_apart"],
    }
    (results / "agreement.json").write_text(json.dumps(report, indent=1))
    print(f"agreement: {len(distances)} runs in f64, largest relative difference {report['largest_relative_difference']:.1e}, "
          f"{len(far)} beyond {TOLERANCE:.0e}; {len(curves)} curves in f32 differ by up to {largest['apart']:.4f} of accuracy, "
          f"replicates on a processor by up to {largest['replicates_apart']:.4f}", flush=True)
    # Three replicates see a part of what rounding may do.
    return not far and largest["apart"] <= 3.0 * largest["replicates_apart"]


def speed(machine, results):
    """Microseconds of an update of R runs."""
    cases = [(size, "relu", "as_run", 1) for size in (1, 8, 32, 64, 128)]
    cases += [(64, "relu", "constant", 1), (64, "wasserstein", "as_run", 1), (64, "relu", "as_run", 64), (32, "crelu", "as_run", 1)]
    with open(results / "speed.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(lockstep_speed.COLUMNS)
        for runs, method, schedule, seeds in cases:
            update = lockstep_speed.measure(machine.sweep, machine.scratch, IMAGES, UPDATES, method, schedule, runs, seeds)
            writer.writerow(lockstep_speed.row(machine.device, "lockstep", method, schedule, seeds, runs, update))
            file.flush()


def paper(machine, results, minutes):
    """The arms that decide most, as many tasks of each as fit."""
    ends = time.monotonic() + 60 * minutes
    arms = "{constant,as_run,paper,debiased,floor_only,constant-learning_rate=*}"
    folders = [machine.scratch / "paper", machine.scratch / "paper-crelu"]
    try:
        for folder, methods, share in zip(folders, ("{l2_adam,wasserstein,relu}", "crelu"), (0.7, 0.8)):
            left = max(ends - time.monotonic(), 1.0)
            machine.sweep(ROOT / "configs" / "paper.json", folder, "--only", f"{methods}@*/{arms}/seed-0", seconds=share * left)
    finally:
        with tarfile.open(results / "paper.tar.gz", "w:gz") as archive:
            for path in sorted(path for folder in folders for path in folder.rglob("*")):
                if path.is_file() and "checkpoint" not in path.parts:
                    archive.add(path, path.relative_to(machine.scratch))
    tasks = [json.loads(path.read_text())["tasks"] for folder in folders for path in folder.glob("runs/*/*/*/run.json")]
    print(f"paper: {len(tasks)} runs, {min(tasks, default=0)} to {max(tasks, default=0)} tasks each", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="what scripts/gpu_program.py has filled")
    parser.add_argument("results", type=Path, help="where results go")
    parser.add_argument("--parts", default="agreement,speed,paper", help="what to do (default: all three)")
    parser.add_argument("--device", default="cuda", help="where runs are trained (default: cuda)")
    parser.add_argument("--libtorch", type=Path, help="the folder of libtorch's libraries (default: those of this Python's PyTorch)")
    parser.add_argument("--minutes", type=float, default=8.0, help="for the paper's runs (default: 8)")
    arguments = parser.parse_args()
    if not (arguments.folder / "trainability").exists():
        sys.exit(f"on_gpu: {arguments.folder} has no program `trainability`: it should be the folder that scripts/gpu_program.py has filled")
    parts = arguments.parts.split(",")
    unknown = [part for part in parts if part not in ("agreement", "speed", "paper")]
    if unknown:
        sys.exit(f"on_gpu: --parts has {unknown[0]!r}; expected agreement, speed or paper")
    arguments.results.mkdir(parents=True, exist_ok=True)
    # Whoever ends it, what was trained is packed, and nothing goes on.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("on_gpu: asked to end"))
    scratch = Path(tempfile.mkdtemp(prefix="on-gpu-"))
    try:
        machine = Machine(arguments.folder.resolve(), arguments.device, arguments.libtorch and arguments.libtorch.resolve(), scratch)
        agrees = True
        for part in parts:
            if part == "agreement":
                agrees = agreement(machine, arguments.folder, arguments.results)
            elif part == "speed":
                speed(machine, arguments.results)
            else:
                paper(machine, arguments.results, arguments.minutes)
    finally:
        if (scratch / "log").exists():
            shutil.copyfile(scratch / "log", arguments.results / "log.txt")
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if agrees else 1)


if __name__ == "__main__":
    main()
