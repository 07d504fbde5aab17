#!/usr/bin/env python3
"""Runs this program's benchmark and the same work in PyTorch in turn, and prints how they compare, for `make bench`.

    python3 benches/side_by_side.py [--quick] [--rounds N] [--strict]

PyTorch is looked for in the Python that PEER_PYTHON names, else in results/bench/peer-venv. Without one, our own
figures are measured all the same. Writes results/bench/*.csv and plots/bench/*.png. Standard library only.
"""

import argparse
import csv
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("results/bench")
PLOTS = Path("plots/bench")
TORCH = "2.13.0"
VENV = RESULTS / "peer-venv"
HOW_TO = f"python3 -m venv {VENV} && {VENV}/bin/pip install torch=={TORCH}"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Rounds of the same work that differ by more than this were disturbed.
UNSTEADY = 0.2
# Tasks after which the memory may not grow any more.
SETTLED = 10


class Problem(Exception):
    """What went wrong, in one sentence."""


@dataclass
class Line:
    """One line of the table: the sum of our times over the sum of the peer's, or a ratio of our own."""

    work: str
    ours: tuple = ()
    peer: tuple = ()
    # The limit, or one for each vendor of processors.
    limit: object = None
    rule: str = "at most"


# Limits of a plain update differ, since MKL inside PyTorch takes slower code on AMD and ours does not.
STEP_LIMITS = {"AuthenticAMD": 0.60, "GenuineIntel": 0.95}
COMPARED = [
    Line("training step, relu, Adam", ("step_relu",), ("step_adam_fused",), STEP_LIMITS),
    Line("training step, wasserstein", ("step_wasserstein",), ("step_wasserstein",), 0.15),
    Line("training step, spectral", ("step_spectral",), ("step_spectral",), 0.70),
    Line("training step of one image, SGD", ("step_of_one_sgd",), ("step_of_one_sgd",), 0.20),
    Line("training step of one image, Adam", ("step_of_one_adam",), ("step_of_one_adam",), 0.45),
    Line("training step out of 60,000 images", ("step_of_60000",), ("step_of_60000",), STEP_LIMITS),
    Line("epoch of 60,000 images", ("epoch_of_60000",), ("epoch_of_60000",), STEP_LIMITS),
    Line("  the same, measured every 40 updates", ("epoch_of_60000_measured",), ("epoch_of_60000",)),
    Line("one full measurement", ("measurement",), ("noise_loop", "sharpness_layers_100"), 0.02),
    Line("sharpness and rank at a task's end", ("task_end",), ("sharpness_network_100", "fisher_rank_100"), 0.15),
    Line("  of these, sharpness", ("task_end_sharpness",), ("sharpness_network_100",)),
    Line("  of these, rank", ("task_end_rank",), ("fisher_rank_100",)),
]
SCALE_OVER_PLAIN = Line("step out of 60,000 to out of 1,280 images", limit=1.1)
WASSERSTEIN_OVER_PLAIN = Line("wasserstein step to our plain step", limit=1.8)
MEASURED_OVER_UNMEASURED = Line("standard run, measured to unmeasured", limit=1.35)
TWO_JOBS = Line("2 runs on 2 cores to one run", limit=1.85, rule="at least")
LOCKSTEP = Line("run of 2 in lock step to a run alone", limit=1.25)
MEMORY = Line("memory over 200 tasks to after 10", limit=1.05)


def main():
    options = arguments()
    os.chdir(ROOT)
    peer = find_peer()
    binary = build()
    pin = pinned()
    for folder in (RESULTS, PLOTS):
        folder.mkdir(parents=True, exist_ok=True)

    rounds = 1 if options.quick else options.rounds
    ours, theirs = [], []
    for number in range(1, rounds + 1):
        tell(f"round {number} of {rounds}: our own steps and measurements")
        ours.append(json.loads(call([*pin, binary, "measure"])))
        if peer:
            tell(f"round {number} of {rounds}: the same in PyTorch")
            theirs.append(json.loads(call([*pin, peer, "benches/peer.py"])))
    extra = {}
    rows = save_table(ours, theirs, extra)
    if not options.quick:
        tell("whole runs, measured and unmeasured, one and two at a time")
        extra |= whole_runs(binary, options.rounds)
        tell("cost by width, batch, layers and tasks")
        extra |= growth(binary, pin)
        rows = save_table(ours, theirs, extra)

    drawn = call([binary, "plot", RESULTS, PLOTS])
    show(rows, ours, theirs)
    warn(ours, theirs)
    if not peer:
        print(f"No PyTorch to compare with: `{HOW_TO}` brings it, or PEER_PYTHON=PYTHON names a Python that has it.")
    print(f"Written: {', '.join(str(path) for path in sorted(RESULTS.glob('*.csv')))}, {', '.join(drawn.split())}")
    return options.strict and any(row["verdict"] == "FAIL" for row in rows)


def arguments():
    parser = argparse.ArgumentParser(description="Compares this program's speed with the same work in PyTorch.")
    parser.add_argument("--rounds", type=positive, default=3, help="calls of each side, in turn [default: 3]")
    parser.add_argument("--quick", action="store_true", help="one round of steps and measurements alone")
    parser.add_argument("--strict", action="store_true", help="fail if a line of the table fails")
    return parser.parse_args()


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def build():
    """Builds the benchmark and returns where cargo has put it."""
    cargo = os.environ.get("CARGO", "cargo")
    arguments = [cargo, "bench", "--bench", "side_by_side", "--no-run", "--message-format", "json-render-diagnostics"]
    for line in call(arguments, show_errors=True).splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "side_by_side":
            return message["executable"]
    raise Problem("cargo has built no benchmark named side_by_side")


def find_peer():
    """The Python that has PyTorch, if there is one."""
    named = os.environ.get("PEER_PYTHON")
    if named and not shutil.which(named):
        raise Problem(f"PEER_PYTHON is {named}, which is no program")
    python = named or str(VENV / "bin" / "python")
    if not shutil.which(python):
        return None
    version = subprocess.run([python, "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True)
    if version.returncode:
        raise Problem(f"{python} has no usable PyTorch: {last_line(version.stderr)}")
    if version.stdout.split("+")[0].strip() != TORCH:
        tell(f"note: this is PyTorch {version.stdout.strip()}, while our libtorch is {TORCH}")
    return python


def pinned():
    """What a command begins with to stay on one core, where that can be done."""
    if not (shutil.which("taskset") and hasattr(os, "sched_getaffinity")):
        return []
    return ["taskset", "--cpu-list", str(max(os.sched_getaffinity(0)))]


def whole_runs(binary, rounds):
    """Ratios of whole runs: what measuring costs, what a second core brings, and what lock step costs."""
    text = call([binary, "throughput", "--rounds", rounds])
    write(RESULTS / "throughput.csv", text)
    seconds = {}
    for row in csv.DictReader(io.StringIO(text)):
        time = float(row["seconds"])
        if row["case"] == "unmeasured":
            # Nothing measured means the indicators of a task's start and end as well, which cannot be switched off.
            time -= float(row["indicators_seconds"])
        seconds.setdefault(row["case"], []).append(time)
    measured = seconds["measured"]
    bare = [one / other for one, other in zip(measured, seconds["unmeasured"])]
    ratios = {MEASURED_OVER_UNMEASURED.work: statistics.median(bare)}
    together = [both / one for one, both in zip(measured, seconds["lockstep"])]
    ratios[LOCKSTEP.work] = statistics.median(together)
    if (os.cpu_count() or 1) > 1:
        twice = [2 * one / both for one, both in zip(measured, seconds["two_jobs"])]
        ratios[TWO_JOBS.work] = statistics.median(twice)
    return ratios


def growth(binary, pin):
    """Writes the curves, and returns how much the memory has grown."""
    text = call([*pin, binary, "scaling"])
    write(RESULTS / "scaling.csv", text)
    memory = [float(row["resident_mib"]) for row in csv.DictReader(io.StringIO(text)) if row["resident_mib"]]
    if len(memory) <= SETTLED:
        return {}
    return {MEMORY.work: max(memory[SETTLED:]) / memory[SETTLED - 1]}


def save_table(ours, theirs, extra):
    """Writes the table and returns its rows."""
    rows = table(ours, theirs, extra)
    machine = {key: ours[0][key] for key in ("processor", "vendor", "mkl_fast_paths")}
    write(RESULTS / "side_by_side.csv", to_csv([{**row, **machine, "rounds": len(ours)} for row in rows]))
    return rows


def table(ours, theirs, extra):
    """The rows of the table, each a dict of what the CSV file says."""
    vendor = ours[0]["vendor"]
    rows = []
    for line in COMPARED:
        mine, peers = total(ours, line.ours), total(theirs, line.peer)
        if mine is None:
            rows.append(row(line, None, vendor, "absent", peer_ms=peers))
        else:
            rows.append(row(line, peers and mine / peers, vendor, "no peer", ours_ms=mine, peer_ms=peers))
        if line.work == "training step, wasserstein" and mine:
            plain = total(ours, ("step_relu",))
            rows.append(row(WASSERSTEIN_OVER_PLAIN, mine / plain, vendor, "", ours_ms=mine))
        if line.work == "training step out of 60,000 images" and mine:
            rows.append(row(SCALE_OVER_PLAIN, mine / total(ours, ("step_relu",)), vendor, "", ours_ms=mine))
    for line in (MEASURED_OVER_UNMEASURED, TWO_JOBS, LOCKSTEP, MEMORY):
        rows.append(row(line, extra.get(line.work), vendor, "not measured"))
    return rows


def total(rounds, keys):
    """The sum of the medians of these keys; nothing where one is missing."""
    if not rounds or any(key not in rounds[0] for key in keys):
        return None
    return sum(statistics.median(round[key] for round in rounds) for key in keys)


def row(line, ratio, vendor, otherwise, ours_ms=None, peer_ms=None):
    limit = line.limit.get(vendor) if isinstance(line.limit, dict) else line.limit
    if ratio is None:
        verdict = otherwise
    elif limit is None:
        verdict = "no limit"
    else:
        good = ratio <= limit if line.rule == "at most" else ratio >= limit
        verdict = "pass" if good else "FAIL"
    return {
        "work": line.work, "ours_ms": ours_ms, "peer_ms": peer_ms, "ratio": ratio,
        "rule": line.rule if limit else "", "limit": limit, "verdict": verdict,
    }


def show(rows, ours, theirs):
    paths = "MKL on its fast paths" if ours[0]["mkl_fast_paths"] else "MKL on its own choice of paths"
    speed = statistics.median(round["sgemm_gflops"] for round in ours)
    print(f"\n{ours[0]['processor'] or 'an unknown processor'} ({ours[0]['vendor'] or 'unknown vendor'}); our side: "
          f"{paths}, sgemm {speed:.0f} GFLOP/s on one core; "
          + (f"peer: PyTorch {theirs[0]['torch']}" if theirs else "no peer"))
    cells = [("work", "ours, ms", "peer, ms", "ratio", "limit", "verdict")]
    for one in rows:
        cells.append((
            one["work"], number(one["ours_ms"], ".2f"), number(one["peer_ms"], ".2f"), number(one["ratio"], ".3f"),
            f"{one['rule']} {number(one['limit'], '.2f')}".strip(), one["verdict"],
        ))
    widths = [max(len(cell[column]) for cell in cells) for column in range(6)]
    for cell in cells:
        left = f"{cell[0]:<{widths[0]}}  "
        middle = "  ".join(f"{text:>{width}}" for text, width in zip(cell[1:5], widths[1:5]))
        print(f"{left}{middle}  {cell[5]}".rstrip())


def number(value, form):
    return "" if value is None else format(value, form)


def warn(ours, theirs):
    """Tells of rounds that differ too much to be trusted."""
    for side, rounds, key in (("our own", ours, "step_relu"), ("the peer's", theirs, "step_adam_fused")):
        times = [round[key] for round in rounds]
        if times and max(times) > (1 + UNSTEADY) * min(times):
            print(f"warning: {side} step took from {min(times):.2f} to {max(times):.2f} ms in different rounds; "
                  "something else was at work on this machine.")


def call(command, show_errors=False):
    """What a command prints; its complaints in one sentence if it fails."""
    command = [str(part) for part in command]
    errors = None if show_errors else subprocess.PIPE
    environment = {**os.environ, **ONE_THREAD}
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    except OSError as problem:
        raise Problem(f"cannot start {command[0]}: {problem.strerror}") from None
    if done.returncode:
        program, *arguments = command[3:] if command[0] == "taskset" else command
        reason = last_line(done.stderr or "") or f"exit code {done.returncode}"
        raise Problem(f"{' '.join([Path(program).name, *arguments[:1]])} failed: {reason}")
    return done.stdout


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else ""


def to_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path, text):
    """The old file or the new one, never a part of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def tell(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(f"error: {problem}")
    except OSError as problem:
        sys.exit(f"error: {problem.filename}: {problem.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)
