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

from claims.concordance import Judged, read_as_others_teach, read_one_way, share
from claims.findings import Effect

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


def with_health(runs, chance, reacting=False):
    """The runs at constant rates that can lose something, with their family and their health at each task; or those whose
    schedule reacts to what is measured, against the ceiling of their method at its constant rate."""
    # The columns of runs whose bounds have other options are not compared, whatever the label.
    formula = lambda run: json.dumps(run["options"]["schedule"].get("bounds"), sort_keys=True)
    runs = [dict(run, arm=(*run["arm"], formula(run))) for run in runs]
    constant = [run for run in runs if run["options"]["schedule"]["name"] == "constant"]
    fresh = [run for run in constant if "reset" in run["parts"]]
    judged = [run for run in (runs if reacting else constant) if "reset" not in run["parts"]]
    if reacting:
        judged = [run for run in judged if run["record"]["scheduled"]]
    kept = []
    for arm in sorted({run["arm"] for run in judged}):
        own = [run for run in judged if run["arm"] == arm]
        one = own[0]
        label = "constant" if reacting else arm[1]
        alike = [
            other["columns"]["online_accuracy"].mean()
            for other in fresh
            if other["parts"] == sorted(one["parts"] + ["reset"])
            and other["arm"][1] == label
            and other["setting"] == one["setting"]
        ]
        at_base_rate = [
            run for run in constant
            if run["arm"][:2] == (arm[0], "constant") and run["setting"] == one["setting"] and "reset" not in run["parts"]
        ]
        firsts = [run["columns"]["online_accuracy"][0] for run in (at_base_rate if reacting else own)]
        if not alike and not firsts:
            continue
        ceiling = np.mean(alike or firsts)
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


def mean_of_families(sums):
    """Each family's concordance in the direction that the others teach."""
    known = {family: each for family, each in sums.items() if each[1] > 1e-12}
    if len(known) < 2:
        return np.nan
    return np.mean([share(read(each, told), each[1]) for each, told in zip(known.values(), directions(known).values())])


def directions(sums):
    """By family: 1 where high values are good in the others, -1 where low ones are, 0 where there is no telling."""
    told = {}
    for family in sums:
        beyond = share(*np.sum([sums[other] for other in sums if other != family] or [[0, 0]], axis=0)) - 0.5
        told[family] = 0 if np.isnan(beyond) or abs(beyond) <= 1e-9 else int(np.sign(beyond))
    return told


def read(each, told):
    return {0: 0.5 * each[1], 1: each[0], -1: each[1] - each[0]}[told]


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
        return (run["health"][k], ranks[k][run["seed"]]) if k >= 0 else (np.nan, np.nan)

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


class Beyond:
    """What each arm's regression did not expect of each pair, with all seeds and without each."""

    def __init__(self, judged):
        self.judged, self.pairs = judged, list(pairs(judged.runs))
        seed = {known: place for place, known in enumerate(judged.seeds)}
        self.seeds = np.array([[seed[one["seed"]], seed[other["seed"]]] for one, other, *_ in self.pairs]).reshape(-1, 2)
        self.families = np.array([one["family"] for one, *_ in self.pairs])
        self.weights = np.array([abs(difference) for *_, difference in self.pairs])
        self.residuals = [self.without(left_out) for left_out in [None, *range(len(judged.seeds))]]

    def without(self, left_out):
        """By pair: whether the first seed fares better, less what the regression expects; NaN for pairs that are left out."""
        runs = [run for run in self.judged.runs if left_out is None or run["seed"] != self.judged.seeds[left_out]]
        kept = np.flatnonzero((self.seeds != (-1 if left_out is None else left_out)).all(1))
        found = np.full(len(self.pairs), np.nan)
        for arm in self.judged.arms:
            own = [run for run in runs if run["arm"] == arm]
            ranks = {}
            for task in range(max([len(run["health"]) for run in own], default=0)):
                values = stats.rankdata([run["health"][task] for run in own]) - 1
                ranks[task] = {run["seed"]: rank / max(len(own) - 1, 1) for run, rank in zip(own, values)}
            places = [place for place in kept if self.pairs[place][0]["arm"] == arm]
            if places:
                found[places] = unexpected([self.pairs[place] for place in places], ranks)
        return found

    def added(self, indicator, sums):
        """How much oftener an indicator orders rightly than was expected: with all seeds, and without each."""
        task = np.array([task for _, _, task, _ in self.pairs])
        of = lambda which: np.array([indicator[pair[which]["arm"]][self.seeds[place, which], task[place]]
                                     for place, pair in enumerate(self.pairs)])
        with np.errstate(invalid="ignore"):
            x, y = of(0), of(1)
            known, sign = ~np.isnan(x) & ~np.isnan(y), np.where(x == y, 0.0, np.where(x > y, 1.0, -1.0))

        def score(copy, residuals):
            told = directions({family: each for family, each in copy.items() if each[1] > 1e-12})
            towards = np.array([told.get(family, 0) for family in self.families])
            counts = known & ~np.isnan(residuals)
            total = (self.weights * towards * sign * residuals)[counts].sum() / self.weights[counts].sum()
            return 0.0 if abs(total) < 1e-7 else total

        every = np.arange(len(self.judged.seeds))
        sets = [every] + [np.delete(every, seed) for seed in every]
        copies = [{f: each[:, kept][:, :, kept].sum((1, 2)) for f, each in sums.items()} for kept in sets]
        scores = [score(copy, residuals) for copy, residuals in zip(copies, self.residuals)]
        return Effect(scores[0], np.array(scores[1:]))


def unexpected(own, ranks):
    """Whether the first seed of each pair of an arm fares better, less what a regression on present health expects."""
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
    return better - special.expit(rows @ b)


def collapsed(health):
    """0 where a task is one of at least two in a row with a health below .5, 1 elsewhere."""
    below = health < 0.5
    beside = np.zeros_like(below)
    beside[:, 1:] |= below[:, :-1]
    beside[:, :-1] |= below[:, 1:]
    return np.where(np.isnan(health), np.nan, 1.0 - (below & beside))


def statistics(row, judged, reacting, beyond):
    """The numbers of a row; none of a column that the runs do not have."""
    name = row["indicator"]
    if name not in judged.runs[0]["columns"]:
        return {}
    column = judged.column(name)
    sums = judged.pairs(column)
    ours = {}

    def add(name, effect, within=(0, 1), null=0.5, p=None):
        low, high = effect.interval(within)
        ours.update({name: effect.point, f"{name}_low": low, f"{name}_high": high})
        if p:
            ours[p] = effect.p(null)

    add("concordance", judged.copies(read_as_others_teach, sums), p="p")
    add("concordance_by_family", judged.copies(mean_of_families, sums))
    if row["theory_loss_follows"]:
        high = row["theory_loss_follows"] == "low"
        add("concordance_by_theory", judged.copies(lambda each: read_one_way(each, high), sums))
    if beyond:
        add("added", beyond.added(column, sums), (-1, 1), 0.0, "p_added")
    otherwise = {
        "three_tasks_ahead": judged.pairs(column, ahead=3),
        "five_tasks_ahead": judged.pairs(column, ahead=5),
        "apart_by_05": judged.pairs(column, at_least=0.05),
        "alike_within_02": judged.pairs(column, near=0.02),
        "of_collapse": judged.pairs(column, {arm: collapsed(health) for arm, health in judged.health.items()}),
        "any_rows": judged.any_rows(column),
    }
    for companion, pairs_of_it in otherwise.items():
        add(f"concordance_{companion}", judged.copies(read_as_others_teach, pairs_of_it))
    if reacting.runs:
        add("concordance_reacting", reacting.copies(read_as_others_teach, reacting.pairs(reacting.column(name))))
    told = directions({family: each.sum((1, 2)) for family, each in sums.items()})
    ours["families_read_high_as_good"] = float(sum(direction > 0 for direction in told.values()))
    ours["families_with_direction"] = float(sum(direction != 0 for direction in told.values()))
    return ours


def main():
    folders, table = arguments(sys.argv[1:], "ordering.csv")
    chance, _, runs = read_sweeps(folders)
    judged, reacting = Judged(with_health(runs, chance)), Judged(with_health(runs, chance, reacting=True))
    runs = judged.runs
    if not runs:
        sys.exit(f"error: {folders[0]} has no finished run at a constant rate that could be judged")
    beyond = Beyond(judged) if len(judged.seeds) >= 10 else None
    rows = list(csv.DictReader(open(table)))
    found = {row["indicator"]: statistics(row, judged, reacting, beyond) for row in rows}
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
