"""Reads the event files of a sweep with TensorBoard's own reader, and holds every number in them against the CSV files."""

import argparse
import csv
import pathlib
import struct
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ModuleNotFoundError as missing:
    sys.exit(f"error: {missing.name} is missing, expected what scripts/requirements.txt lists; scripts/verify.sh brings it")


def single(number):
    """The nearest number of single precision."""
    return struct.unpack("f", struct.pack("f", number))[0]


def written(run):
    """What the CSV files of a run say: value by tag and step."""
    values = {}
    for name, step, others in [("tasks", "updates", {"task", "updates"}), ("controls", "update", {"task", "update", "layer", "action"})]:
        with open(run / f"{name}.csv", newline="") as file:
            for row in csv.DictReader(file):
                group = row.get("layer", name)
                for column in row.keys() - others:
                    if row[column]:
                        values[f"{group}/{column}", int(row[step])] = single(float(row[column]))
    return values


def read(place):
    """What TensorBoard makes of a folder of event files."""
    events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
    scalars = [(tag, event) for tag in events.Tags()["scalars"] for event in events.Scalars(tag)]
    values = {(tag, event.step): event.value for tag, event in scalars}
    if len(values) < len(scalars):
        sys.exit(f"error: {place} has {len(scalars) - len(values)} scalars twice, expected each once")
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=pathlib.Path)
    sweep = parser.parse_args().sweep
    runs, numbers = sorted(path.parent.relative_to(sweep / "runs") for path in (sweep / "runs").glob("*/*/*/run.json")), 0
    if not runs:
        sys.exit(f"error: {sweep} holds no runs, expected a sweep's folder")
    for run in runs:
        ours, theirs = written(sweep / "runs" / run), read(sweep / "tensorboard" / run)
        wrong = [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]
        if wrong or not ours:
            tag, step = min(wrong, default=("any value", 0))
            sys.exit(f"error: {run}: {len(wrong)} of {len(ours)} numbers differ: {tag} at update {step} is "
                     f"{ours.get((tag, step))} in the CSV files and {theirs.get((tag, step))} in TensorBoard")
        numbers += len(ours)
    print(f"{len(runs)} runs: TensorBoard reads the {numbers} numbers of the CSV files")


if __name__ == "__main__":
    main()
