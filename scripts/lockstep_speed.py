#!/usr/bin/env python3
"""How fast R runs in lock step are, and draws docs/lockstep/speed.png.

    python3 scripts/lockstep_speed.py --device NAME [--runs 1 2 4 8] [--images 1280] [--method relu ...]
    python3 scripts/lockstep_speed.py --draw

Runs of configs/paper.json's network and minibatch, with the schedule `as_run` and measured every 40 updates, on one core. The same runs
are trained at two lengths, and an update takes the difference over the number of updates between: what comes once does not count. A row
of docs/lockstep/speed.csv is a device, an engine and a number of runs; those of other devices stay. `scripts/on_gpu.py` measures a GPU.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs/lockstep/speed.csv"
COLUMNS = ["device", "engine", "method", "schedule", "seeds", "runs", "microseconds_an_update", "run_updates_a_second"]
BATCH = 256


def configuration(images, epochs, method, schedule, runs, seeds):
    """So many runs that share what can be shared: their seeds, and all but their learning rates."""
    paper = json.loads((ROOT / "configs" / "paper.json").read_text())
    own = {key: paper[key] for key in ("network", "training", "measure", "control")}
    rates = [1e-3 * (1.0 + place / 1000.0) for place in range(runs // seeds)]
    data = {"set": "mnist-5k", "images": images} if images <= 5000 else {"set": "mnist"}
    return dict(own, data=data, stream={"tasks": 1, "epochs": epochs}, methods=[method], schedules=[schedule], seeds=seeds,
                grid={"training.learning_rate": rates})


def seconds_of(folder):
    """What all runs of a sweep have taken together."""
    return sum(json.loads(path.read_text())["seconds"]["total"] for path in folder.glob("runs/*/*/*/run.json"))


def measure(sweep, scratch, images, updates, method, schedule, runs, seeds):
    """Microseconds of an update of all runs. `sweep(configuration, folder)` trains."""
    an_epoch = -(-images // BATCH)
    short = max(1, updates // an_epoch)
    long = 5 * short
    spent = []
    for epochs in (short, long):
        path = scratch / "speed.json"
        path.write_text(json.dumps(configuration(images, epochs, method, schedule, runs, seeds)))
        out = Path(tempfile.mkdtemp(dir=scratch))
        sweep(path, out)
        spent.append(seconds_of(out))
    return 1e6 * (spent[1] - spent[0]) / ((long - short) * an_epoch)


def row(device, engine, method, schedule, seeds, runs, update):
    print(f"{device} {engine}: {runs} runs of {method}/{schedule}, {seeds} seeds: {update:.0f} microseconds an update, "
          f"{update / runs:.1f} a run", flush=True)
    return [device, engine, method, schedule, seeds, runs, f"{update:.1f}", f"{1e6 * runs / update:.0f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/trainability")
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--images", type=int, default=1280)
    parser.add_argument("--updates", type=int, default=200, help="of the shorter runs; the longer make five times as many")
    parser.add_argument("--method", nargs="+", default=["relu", "wasserstein"])
    parser.add_argument("--device", default="this processor", help="its name in the table (default: this processor)")
    parser.add_argument("--draw", action="store_true", help="draw the picture of the table as it is, and measure nothing")
    arguments = parser.parse_args()
    if arguments.draw:
        return draw()
    core = ["taskset", "-c", "0"] if sys.platform == "linux" else []
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for method in arguments.method:
            for engine, runs in [("local", 1)] + [("lockstep", runs) for runs in arguments.runs]:
                def sweep(config, out, engine=engine):
                    command = [*core, str(arguments.program), "sweep", str(config), "--out", str(out), "--engine", engine, "--jobs", "1"]
                    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

                update = measure(sweep, Path(scratch), arguments.images, arguments.updates, method, "as_run", runs, 1)
                rows.append(row(arguments.device, engine, method, "as_run", 1, runs, update))
    before = list(csv.reader(MEASURED.open())) if MEASURED.exists() else [COLUMNS]
    MEASURED.parent.mkdir(exist_ok=True)
    with MEASURED.open("w", newline="") as file:
        kept = [old for old in before[1:] if old[0] != arguments.device]
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *kept, *rows])
    draw()


def draw():
    command = ["cargo", "run", "--quiet", "--release", "-p", "trainability-report", "--example", "lockstep", "--",
               str(MEASURED), str(MEASURED.with_suffix(".png"))]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
