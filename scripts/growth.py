#!/usr/bin/env python3
"""Measures how time and memory of a report grow with the number of runs, and draws docs/growth/growth.png.

    python3 scripts/growth.py FOLDER [--runs N...] [--program now=PATH ...]

Synthetic runs (crates/report/examples/synthetic.rs) are written into FOLDER, half a megabyte each, and stay there. Each
program reports on them, and a row of docs/growth/growth.csv says what that took: seconds by the clock, seconds of processor, and
the most memory. Without --program, `now` is built from the working tree; `earlier` is a program to compare with.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "docs/growth/growth.csv"
COLUMNS = ["program", "runs", "clock_seconds", "processor_seconds", "resident_mib"]


def cargo(*arguments):
    subprocess.run(["cargo", *arguments], cwd=ROOT, check=True)


def example(name, *arguments):
    cargo("run", "--quiet", "--release", "-p", "trainability-report", "--example", name, "--", *map(str, arguments))


def measured(program, folder, out):
    """What one report takes, as a row without its first two columns."""
    began = time.monotonic()
    child = subprocess.Popen(
        [program, folder, "--out", out, "--plots", out / "plots"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"growth: {program} failed on {folder}: {child.stderr.read().decode().strip()}")
    clock, processor = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    return [f"{clock:.1f}", f"{processor:.1f}", f"{usage.ru_maxrss / 1024:.0f}"]


def main():
    parser = argparse.ArgumentParser(description="Measures how a report grows with the number of runs.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, nargs="+", default=[300, 1000, 3000, 10000])
    parser.add_argument("--program", action="append", default=[], metavar="NAME=PATH")
    arguments = parser.parse_args()
    programs = [given.split("=", 1) for given in arguments.program]
    if not programs:
        cargo("build", "--quiet", "--release", "-p", "trainability-report", "--features", "program")
        programs = [["now", str(ROOT / "target/release/trainability-report")]]
    rows = []
    for runs in arguments.runs:
        folder = arguments.folder / f"synthetic-{runs}"
        if not (folder / "sweep.json").exists():
            example("synthetic", folder, runs)
        for name, program in programs:
            rows.append([name, runs, *measured(program, folder, arguments.folder / f"report-{runs}")])
            print(*rows[-1], sep="\t", flush=True)
    MEASURED.parent.mkdir(exist_ok=True)
    with MEASURED.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    example("growth", MEASURED, MEASURED.with_suffix(".png"))


if __name__ == "__main__":
    main()
