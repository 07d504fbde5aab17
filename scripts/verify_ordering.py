#!/usr/bin/env python3
"""Computes ordering.csv of a sweep anew from its runs' CSV files, and compares: a second implementation in numpy and scipy.

    python3 scripts/verify_ordering.py RESULTS_DIR... [--out DIR]

RESULTS_DIR holds the runs; the report's ordering.csv lies there too, or in DIR, where several sweeps have one report.
Follows docs/statistics.md ("Which indicator orders, and which predicts"), pair by pair and copy by copy, and shares
nothing with the program. Prints the largest differences and exits with 1 if one of them is above rounding.
"""

import csv
import itertools
import json
import sys
from pathlib import Path

try:
    import numpy as np
    from scipy import optimize, special, stats
except ImportError as missing:
    sys.exit(f"error: {missing.name} is missing, expected what scripts/requirements.txt lists; scripts/verify.sh brings it")

DECAYS = {"l2_adam", "l2_loss", "adamw", "l2_init"}
TOLERANCE = 1e-6


def number(text):
    return float(text) if text else np.nan


def arguments(words, table):
    """The sweeps' folders, and the file of the report that is called `table`."""
    folders, out = list(words), None
    if "--out" in folders:
        place = folders.index("--out")
        out = folders[place + 1:place + 2]
        del folders[place:place + 2]
    if not folders or any(folder.startswith("--") for folder in folders) or out == []:
        sys.exit("error: expected the folders of sweeps, and --out DIR with the report's folder where it is another")
    if len(folders) > 1 and out is None:
        sys.exit(f"error: expected --out DIR, the folder in which the report on all {len(folders)} sweeps lies")
    folders = [Path(folder) for folder in folders]
    report = Path(out[0]) if out else folders[0]
    for needed in [folder / "sweep.json" for folder in folders] + [report / table]:
        if not needed.is_file():
            sys.exit(f"error: {needed} is missing: expected the folder of a sweep, after `trainability report`")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        sys.exit(f"error: two of the sweeps are called alike ({', '.join(names)}), expected folders of different names")
    return folders, report / table


def read_sweeps(folders):
    """Chance, the indicators as (column, title, role), and the finished runs, each once."""
    chances, indicators, runs = set(), {}, {}
    for folder in folders:
        sweep = json.loads((folder / "sweep.json").read_text())
        chances.add(1 / sweep["classes"])
        for indicator in sweep["glossary"]["indicators"]:
            indicators.setdefault(indicator["name"], (indicator["name"], indicator["title"], indicator["role"]))
        for path in sorted(folder.glob("runs/*/*/seed-*/run.json")):
            record = json.loads(path.read_text())
            # Replicates of a run are shown, and enter no statistic.
            if record["status"] == "finished" and not record["options"]["training"].get("replicate"):
                runs.setdefault(folder, []).append(read_run(path.parent, record))
    if len(chances) > 1:
        sys.exit("error: the sweeps differ in their number of classes, expected one chance level")
    tell_apart(runs, 0, lambda run: {key: run["options"][key] for key in run["options"] if key not in ("seed", "schedule")})
    tell_apart(runs, 1, what_acts)
    once = {}
    for run in itertools.chain(*runs.values()):
        once.setdefault((run["arm"], run["seed"]), run)
    return chances.pop(), list(indicators.values()), [once[key] for key in sorted(once)]


def read_run(folder, record):
    rows = list(csv.DictReader(open(folder / "tasks.csv")))
    options = record["options"]
    return dict(
        arm=(record["method"], record["schedule"]),
        seed=record["seed"],
        parts=sorted(part["name"] for part in options["method"]["parts"] if part["name"] != "relu"),
        setting=[options.get(section) for section in ("data", "stream", "network", "training")],
        columns={name: np.array([number(row[name]) for row in rows]) for name in rows[0]},
        options=options,
        record=record,
        folder=folder,
    )


def what_acts(run):
    """A schedule's options without those that only record: bounds where it takes no decisions, and the checksum of its file."""
    unused = {"sha256"} if run["record"]["scheduled"] else {"sha256", "bounds"}
    return {key: value for key, value in run["options"]["schedule"].items() if key not in unused}


def tell_apart(runs, place, meaning):
    """Labels that mean different options in different sweeps get the sweep's name in front."""
    meanings, owners = {}, {}
    label = lambda run: run["arm"][: 1 if place == 0 else 2]
    for folder in runs:
        for run in runs[folder]:
            meanings.setdefault(label(run), set()).add(json.dumps(meaning(run), sort_keys=True))
            owners.setdefault(label(run), set()).add(folder)
    for folder in runs:
        for run in runs[folder]:
            if len(meanings[label(run)]) > 1 and len(owners[label(run)]) > 1:
                run["new"] = f"{folder.resolve().name}/{run['arm'][place]}"
    for run in itertools.chain(*runs.values()):
        if "new" in run:
            arm = list(run["arm"])
            arm[place] = run.pop("new")
            run["arm"] = tuple(arm)


def family_of(parts):
    return " + ".join(sorted({"weight decay" if part in DECAYS else part for part in parts})) or "relu"


def with_health(runs, chance):
    """The runs at constant rates that can lose something, with their family and their health at each task."""
    # The columns of runs whose bounds have other options are not compared, whatever the label.
    formula = lambda run: json.dumps(run["options"]["schedule"].get("bounds"), sort_keys=True)
    constant = [run for run in runs if run["options"]["schedule"]["name"] == "constant"]
    runs = [dict(run, arm=(*run["arm"], formula(run))) for run in constant]
    fresh = [run for run in runs if "reset" in run["parts"]]
    judged = [run for run in runs if "reset" not in run["parts"]]
    kept = []
    for arm in sorted({run["arm"] for run in judged}):
        own = [run for run in judged if run["arm"] == arm]
        one = own[0]
        alike = [
            other["columns"]["online_accuracy"].mean()
            for other in fresh
            if other["parts"] == sorted(one["parts"] + ["reset"])
            and other["arm"][1] == arm[1]
            and other["setting"] == one["setting"]
        ]
        ceiling = np.mean(alike) if alike else np.mean([run["columns"]["online_accuracy"][0] for run in own])
        if ceiling - chance < 0.05:
            continue
        for run in own:
            run["family"] = family_of(run["parts"])
            run["health"] = (run["columns"]["online_accuracy"] - chance) / (ceiling - chance)
            kept.append(run)
    return kept


def pairs(runs):
    """Every two seeds of an arm at every task whose next health is known and differs."""
    for one, other in itertools.combinations(runs, 2):
        if one["arm"] != other["arm"]:
            continue
        for task in range(len(one["health"]) - 1):
            difference = one["health"][task + 1] - other["health"][task + 1]
            if difference != 0 and not np.isnan(difference):
                yield one, other, task, difference


def sums(runs, column):
    """By family: weight of concordant pairs, high values read as good, and of all."""
    found = {}
    for one, other, task, difference in pairs(runs):
        x, y = one["columns"][column][task], other["columns"][column][task]
        if np.isnan(x) or np.isnan(y):
            continue
        agreement = 0.5 if x == y else float((x > y) == (difference > 0))
        concordant, all_pairs = found.get(one["family"], (0.0, 0.0))
        found[one["family"]] = (concordant + abs(difference) * agreement, all_pairs + abs(difference))
    return found


def directions(found):
    told = {}
    for family in found:
        concordant = sum(found[other][0] for other in found if other != family)
        all_pairs = sum(found[other][1] for other in found if other != family)
        beyond = concordant / all_pairs - 0.5 if all_pairs > 0 else 0.0
        told[family] = 0 if abs(beyond) <= 1e-9 else np.sign(beyond)
    return told


READ = {0: lambda c, a: 0.5 * a, 1: lambda c, a: c, -1: lambda c, a: a - c}


def concordance(found):
    if len(found) < 2:
        return np.nan
    told = directions(found)
    return sum(READ[told[family]](*found[family]) for family in found) / sum(a for _, a in found.values())


def by_family(found):
    if len(found) < 2:
        return np.nan
    told = directions(found)
    return np.mean([READ[told[family]](*found[family]) / found[family][1] for family in found])


def by_theory(found, follows):
    concordant, all_pairs = np.sum(list(found.values()), axis=0)
    return concordant / all_pairs if follows == "low" else 1 - concordant / all_pairs


def benjamini_hochberg(p, values):
    """The corrected p of every column; an undefined p is 1, and copies of a column count once."""
    firsts = [name for place, name in enumerate(p) if not any(
        np.array_equal(values[name], values[other], equal_nan=True) for other in list(p)[:place])]
    ordered = sorted(firsts, key=lambda name: 1.0 if np.isnan(p[name]) else p[name])
    corrected, lowest = {}, 1.0
    for rank in range(len(ordered), 0, -1):
        name = ordered[rank - 1]
        lowest = min(lowest, (1.0 if np.isnan(p[name]) else p[name]) * len(ordered) / rank)
        corrected[name] = np.nan if np.isnan(p[name]) else lowest
    first_of = {name: next(f for f in firsts if np.array_equal(values[name], values[f], equal_nan=True)) for name in p}
    return {name: corrected[first_of[name]] for name in p}


def features(one, other, task, ranks):
    def at(run, k):
        return (run["health"][k], ranks[run["arm"], k][run["seed"]]) if k >= 0 else (np.nan, np.nan)

    (mine, my_rank), (theirs, their_rank) = at(one, task), at(other, task)
    (before, rank_before), (their_before, their_rank_before) = at(one, task - 1), at(other, task - 1)
    health, mean = mine - theirs, (mine + theirs) / 2
    earlier = before - their_before if task > 0 else 0.0
    earlier_rank = rank_before - their_rank_before if task > 0 else 0.0
    near, far, order = np.tanh(health / 0.02), np.tanh(health / 0.1), np.sign(health)
    return [
        health, near, far, my_rank - their_rank, order, earlier, earlier_rank, np.sign(earlier),
        health * mean, near * mean, far * mean, order * mean,
    ]


def residuals(runs):
    """What each arm's regression did not expect of each pair."""
    ranks = {}
    for arm in {run["arm"] for run in runs}:
        own = [run for run in runs if run["arm"] == arm]
        for task in range(max(len(run["health"]) for run in own)):
            values = stats.rankdata([run["health"][task] for run in own]) - 1
            ranks[arm, task] = {run["seed"]: rank / max(len(own) - 1, 1) for run, rank in zip(own, values)}
    found = []
    for arm in sorted({run["arm"] for run in runs}):
        own = list(pairs([run for run in runs if run["arm"] == arm]))
        rows = np.array([features(one, other, task, ranks) for one, other, task, _ in own])
        better = np.array([float(difference > 0) for *_, difference in own])
        weights = np.array([abs(difference) for *_, difference in own])
        weights = weights / weights.mean()
        scale = np.sqrt(np.mean(rows**2, axis=0))
        rows = rows / np.where(scale > 0, scale, 1.0)
        ridge = np.ones(rows.shape[1])
        ridge[[4, 7]] = 1e-8

        def objective(b):
            margins = rows @ b
            loss = weights @ (np.logaddexp(0, margins) - better * margins) + 0.5 * ridge @ b**2
            return loss, rows.T @ (weights * (special.expit(margins) - better)) + ridge * b

        def hessian(b):
            p = special.expit(rows @ b)
            return (rows.T * (weights * p * (1 - p))) @ rows + np.diag(ridge)

        b = optimize.minimize(objective, np.zeros(rows.shape[1]), jac=True, hess=hessian, method="trust-exact",
                              options={"gtol": 1e-9, "maxiter": 500}).x
        expected = special.expit(rows @ b)
        found += [(*pair, right - p) for pair, right, p in zip(own, better, expected)]
    return found


def added(runs, column, unexpected):
    told = directions(sums(runs, column))
    total = whole = 0.0
    for one, other, task, difference, residual in unexpected:
        x, y = one["columns"][column][task], other["columns"][column][task]
        if np.isnan(x) or np.isnan(y):
            continue
        whole += abs(difference)
        total += abs(difference) * (told[one["family"]] * np.sign(x - y) if x != y else 0.0) * residual
    score = total / whole if whole > 0 else np.nan
    return 0.0 if abs(score) < 1e-7 else score


def jackknife(full, copies, null):
    n = len(copies)
    error = np.sqrt((n - 1) / n * np.sum((np.array(copies) - np.mean(copies)) ** 2))
    if not error > 1e-12 * np.max(np.abs(copies)):
        return full, np.nan, np.nan, np.nan
    half = error * stats.t.ppf(0.975, n - 1)
    p = 2 * stats.t.sf(abs(full - null) / error, n - 1) if n >= 5 else np.nan
    return full, full - half, full + half, p


def statistics(row, runs, without, unexpected):
    """The numbers of a row; none of a column that the runs do not have."""
    column = row["indicator"]
    if column not in runs[0]["columns"]:
        return {}
    found = [sums(some, column) for some in [runs, *without]]
    ours = {}

    def add(name, null, within, scores, p=None):
        point, low, high, ours_p = jackknife(scores[0], scores[1:], null)
        ours.update({name: point, f"{name}_low": np.clip(low, *within), f"{name}_high": np.clip(high, *within)})
        if p:
            ours[p] = ours_p

    add("concordance", 0.5, (0, 1), [concordance(some) for some in found], "p")
    add("concordance_by_family", 0.5, (0, 1), [by_family(some) for some in found])
    if row["theory_loss_follows"]:
        add("concordance_by_theory", 0.5, (0, 1), [by_theory(some, row["theory_loss_follows"]) for some in found])
    if unexpected:
        scores = [added(some, column, residual) for some, residual in zip([runs, *without], unexpected)]
        add("added", 0.0, (-1, 1), scores, "p_added")
    told = directions(found[0])
    ours["families_read_high_as_good"] = float(sum(direction > 0 for direction in told.values()))
    ours["families_with_direction"] = float(sum(direction != 0 for direction in told.values()))
    return ours


def main():
    folders, table = arguments(sys.argv[1:], "ordering.csv")
    chance, _, runs = read_sweeps(folders)
    runs = with_health(runs, chance)
    if not runs:
        sys.exit(f"error: {folders[0]} has no finished run at a constant rate that could be judged")
    seeds = sorted({run["seed"] for run in runs})
    without = [[run for run in runs if run["seed"] != seed] for seed in seeds]
    enough = len(seeds) >= 10
    unexpected = [residuals(some) for some in [runs, *without]] if enough else []
    rows = list(csv.DictReader(open(table)))
    found = {row["indicator"]: statistics(row, runs, without, unexpected) for row in rows}
    # The column of noise is the program's own.
    values = {name: np.concatenate([run["columns"].get(name, run["health"]) for run in runs]) for name in found}
    values["noise"] = np.array([np.inf])
    for p in ("p", "p_added"):
        own = {row["indicator"]: found[row["indicator"]].get(p, number(row[p])) for row in rows}
        for name, corrected in benjamini_hochberg(own, values).items():
            found[name][f"{p}_corrected"] = corrected
    worst = {}
    for row in rows:
        for name, value in found[row["indicator"]].items():
            theirs = number(row[name])
            if np.isnan(value) and np.isnan(theirs):
                continue
            difference = abs(value - theirs) if not np.isnan(value - theirs) else np.inf
            worst[name] = max(worst.get(name, (0.0, "")), (difference, row["indicator"]))
    for name, (difference, column) in worst.items():
        print(f"{name}: at most {difference:.1e} apart ({column})")
    return any(difference > TOLERANCE for difference, _ in worst.values())


if __name__ == "__main__":
    sys.exit(main())
