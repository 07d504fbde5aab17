"""Claim (d): do the rates resemble a canonical decay more than random falling curves do?"""

import csv

import numpy as np
from scipy import optimize

from claims.accuracy import CLAIMED, subject
from claims.findings import Effect, Finding

CURVES, REPETITIONS, POINTS, CURVE_POINTS = 1999, 8, 100, 50


SHAPES = np.arange(-3.25, 4.2501, 0.02)
FALLING = ["exponential", "inverse square root"] + list(range(2, 11))


def falling(kind, shape, time):
    """A decay that is multiplied by its scale: times by shapes."""
    k, t = 10.0 ** np.atleast_1d(shape)[:, None], np.atleast_1d(time)[None]
    if kind == "exponential":
        return np.exp(-k * t)
    if kind == "inverse square root":
        return 1 / np.sqrt(1 + k * t)
    return np.exp(-k * np.minimum(np.floor(kind * t), kind - 1))


def lines(time, rates):
    """R2 of the best falling line and half cosine, curve by curve."""
    best = np.zeros(len(rates))
    centred = rates - rates.mean(1, keepdims=True)
    for basis in (-time, np.cos(np.pi * time)):
        basis = basis - basis.mean()
        along = centred @ basis
        best = np.maximum(best, np.where(along > 0, along**2 / (basis @ basis) / np.sum(centred**2, axis=1), 0))
    return best


def best_fit(time, rates):
    """R2 of the best canonical decay of a course; 0 where none explains anything."""
    total = np.sum((rates - rates.mean()) ** 2)
    if np.sqrt(total) <= 1e-9 * abs(rates.mean()) * np.sqrt(len(rates)):
        return 0.0
    best = lines(time, rates[None])[0]
    for kind in FALLING:
        def left(shape):
            x = falling(kind, shape, time)
            scales = np.maximum(x @ rates, 0) / np.maximum(np.sum(x * x, axis=1), 1e-300)
            return np.sum((rates - scales[:, None] * x) ** 2, axis=1)

        start = SHAPES[np.argmin(left(SHAPES))]
        found = optimize.minimize_scalar(lambda shape: left(shape)[0], bounds=(start - 0.05, start + 0.05), method="bounded",
                                         options={"xatol": 1e-9})
        best = max(best, 1 - found.fun / total)
    return best


def random_curves(generator):
    """From 1 down to 0 in time 0 to 1: straight between corners whose times and heights are drawn evenly."""
    count = CURVES * REPETITIONS
    corners = np.sort(generator.random((2, count, 3)), axis=2)
    ends = np.zeros((count, 1)), np.ones((count, 1))
    times, falls = (np.hstack([ends[0], of, ends[1]]) for of in corners)
    time = np.linspace(0, 1, CURVE_POINTS)
    return time, np.array([1 - np.interp(time, *corner) for corner in zip(times, falls)])


def fits_of_random_curves(levels, generator):
    """For each pair of a highest and a lowest rate: R2 of the best decays of random curves between them."""
    time, curves = random_curves(generator)
    spread = np.sum((curves - curves.mean(1, keepdims=True)) ** 2, axis=1)
    best = {level: lines(time, curves) for level in levels}
    for kind in FALLING:
        x = falling(kind, SHAPES, time)
        products, sums, squares = x @ curves.T, x.sum(1)[:, None], np.sum(x * x, axis=1)[:, None]
        for high, low in levels:
            base = low / (high - low)
            y2 = np.sum((base + curves) ** 2, axis=1)
            explained = np.max((base * sums + products) ** 2 / squares, axis=0)
            best[high, low] = np.maximum(best[high, low], 1 - (y2 - explained) / spread)
    return {level: np.sort(r2.reshape(REPETITIONS, CURVES), axis=1) for level, r2 in best.items()}


def course(rows, updates):
    """Times from 0 to 1 over the run and rates of a layer, thinned to 100 points at most."""
    last = max(updates, rows[-1][0])
    rows = np.array(rows[:: max(1, -(-len(rows) // POINTS))], float)
    return rows[:, 0] / last, rows[:, 1]


def canonical_decay(runs, scored, generator):
    layers = {}
    for run in runs:
        if scored.roles[run["arm"][1]] != ("scheduler",):
            continue
        rows = {}
        for row in csv.DictReader(open(run["folder"] / "controls.csv")):
            rows.setdefault(row["layer"], []).append((int(row["update"]), float(row["learning_rate"])))
        for layer in rows:
            time, rates = course(rows[layer], run["record"]["updates"])
            moved = layers.setdefault((run["arm"], layer), {})
            if (np.diff(rates) != 0).any():
                moved[run["seed"]] = (time, rates)
    if not layers:
        return
    level = lambda moved: tuple(np.mean([end(rates) for _, rates in moved.values()]) for end in (np.max, np.min))
    chance = fits_of_random_curves({level(moved) for (arm, _), moved in layers.items() if moved
                                    and scored.family[arm] in CLAIMED}, generator)
    for member in scored.members:
        by_seed = {}
        for (arm, _), moved in layers.items():
            if arm[0] in member[2] and arm[1] == member[1] and moved:
                drawn = chance[level(moved)]
                for seed, (time, rates) in moved.items():
                    r2 = best_fit(time, rates)
                    places = [np.searchsorted(some, [r2, r2 + 1e-15], "left").mean() / CURVES for some in drawn]
                    by_seed.setdefault(seed, []).append(places)
        values = np.array([np.mean(places, axis=0) for _, places in sorted(by_seed.items())])
        if len(values) < 2:
            yield Finding("d", subject(member))
            continue
        repeated = [Effect.of_mean(of) for of in values.T]
        yield Finding("d", subject(member), repeated[0], repeated=repeated)
