"""The combined bound at the weight behind the paper's figures, from controls.csv: beta = 20, X = the normalised sharpness."""

import csv

import numpy as np

BETA = 20.0


def figures_bound(run):
    """Step over that bound and over its curvature term alone: the largest over layers, the median over a task's updates."""
    number = lambda text: float(text) if text else np.nan
    found = {"step_over_figures_bound": {}, "step_over_curvature_term": {}}
    with open(run["folder"] / "controls.csv") as file:
        for row in csv.DictReader(file):
            batch = number(row["samples"]) if "samples" in row else run["options"]["training"]["batch_size"]
            curvature = BETA * number(row["normalized_sharpness"]) / batch
            with np.errstate(divide="ignore"):
                whole = np.float64(1.0) / number(row["noise_bound"]) + curvature
            for name, inverse in zip(found, (whole, curvature)):
                ratio = number(row["effective_step"]) * inverse
                if inverse >= 0 and not np.isnan(ratio):
                    found[name].setdefault(int(row["task"]), {}).setdefault(row["update"], []).append(ratio)
    tasks = range(len(run["columns"]["online_accuracy"]))
    median = lambda updates: np.median([max(layers) for layers in updates.values()]) if updates else np.nan
    return {name: np.array([median(by_task.get(task, {})) for task in tasks]) for name, by_task in found.items()}
