"""Claims (a), (b), (b') and (b''): which of two seeds of an arm will fare better?"""

import numpy as np
from scipy import stats

from claims.figures import figures_bound
from claims.findings import FEWEST, LEVEL, Effect, Finding, holm

EXCHANGES = 7_999


class Judged:
    """The arms at constant rates: health, and pairs of seeds."""

    def __init__(self, runs):
        self.runs = runs
        self.seeds = sorted({run["seed"] for run in runs})
        self.arms = sorted({run["arm"] for run in runs})
        self.family = {run["arm"]: run["family"] for run in runs}
        self.families = sorted(set(self.family.values()))
        self.tasks = max([len(run["health"]) for run in runs], default=0)
        self.health = self.grid(lambda run: run["health"])

    def grid(self, of_run):
        """By arm: seed by task, NaN where there is nothing."""
        found = {arm: np.full((len(self.seeds), self.tasks), np.nan) for arm in self.arms}
        for run in self.runs:
            values = of_run(run)
            if values is not None:
                found[run["arm"]][self.seeds.index(run["seed"]), : len(values)] = values
        return found

    def column(self, name):
        return self.grid(lambda run: run["columns"].get(name))

    def is_present(self, name):
        return any(np.isfinite(values).any() or np.isinf(values).any() for values in self.column(name).values())

    def pairs(self, indicator, health=None, ahead=1, at_least=0.0, near=np.inf):
        """By family, seed by seed: the weight of the pairs that high values order rightly, and of all pairs."""
        n, health = len(self.seeds), self.health if health is None else health
        found = {family: np.zeros((2, n, n)) for family in self.families}
        for arm in self.arms:
            later, now = health[arm][:, ahead:], indicator[arm][:, :-ahead]
            apart = later[:, None] - later[None]
            known = ~np.isnan(apart) & ~np.isnan(now)[:, None] & ~np.isnan(now)[None] & (np.abs(apart) >= at_least)
            if np.isfinite(near):
                present = health[arm][:, :-ahead]
                known &= np.abs(present[:, None] - present[None]) <= near
            found[self.family[arm]] += [np.triu(sums, 1) for sums in weigh(now[:, None], now[None], apart, known)]
        return found

    def any_rows(self, indicator):
        """The same over all rows of an arm, whatever their tasks and seeds."""
        n = len(self.seeds)
        found = {family: np.zeros((2, n, n)) for family in self.families}
        for arm in self.arms:
            later, now = self.health[arm][:, 1:], indicator[arm][:, :-1]
            for ahead in range(1 - later.shape[1], later.shape[1]):
                # A row, and another so many tasks later.
                mine, theirs = (slice(0, -ahead), slice(ahead, None)) if ahead > 0 else (slice(-ahead, None), slice(0, ahead or None))
                apart = later[:, None, mine] - later[None, :, theirs]
                x, y = now[:, None, mine], now[None, :, theirs]
                sums = weigh(x, y, apart, ~np.isnan(apart) & ~np.isnan(x) & ~np.isnan(y))
                # Of two rows of one run, each pair once.
                found[self.family[arm]] += [np.triu(each, 0 if ahead > 0 else 1) for each in sums]
        return found

    def copies(self, statistic, *pairs):
        """A statistic of pairs with all seeds, and without each."""
        every = np.arange(len(self.seeds))
        of = lambda kept: statistic(*[{f: sums[:, kept][:, :, kept].sum((1, 2)) for f, sums in p.items()} for p in pairs])
        return Effect(of(every), np.array([of(np.delete(every, seed)) for seed in every]))


def weigh(x, y, apart, known):
    """Summed over tasks: the weight of pairs in which the higher value goes with the better health, and of all."""
    weight = np.where(known, np.abs(apart), 0.0)
    higher = np.where(x > y, 1.0, np.where(x < y, 0.0, 0.5))
    return (weight * np.where(apart > 0, higher, 1 - higher)).sum(2), weight.sum(2)


def share(right, whole):
    return right / whole if whole > 1e-12 else np.nan


def read_one_way(sums, high_is_good):
    right, whole = np.sum(list(sums.values()), axis=0)
    return share(right if high_is_good else whole - right, whole)


def read_as_others_teach(sums):
    if sum(whole > 1e-12 for _, whole in sums.values()) < 2:
        return np.nan
    total = np.zeros(2)
    for family, (right, whole) in sums.items():
        others = np.sum([sums[other] for other in sums if other != family], axis=0)
        beyond = share(*others) - 0.5
        told = 0 if np.isnan(beyond) or abs(beyond) <= 1e-9 else np.sign(beyond)
        total += [{0: 0.5 * whole, 1: right, -1: whole - right}[told], whole]
    return share(*total)


def random_effects(points, errors):
    """DerSimonian and Laird; Hartung and Knapp; the interval of the next family, and the p of the mean against .5."""
    variances = np.maximum(np.where(np.isnan(errors), 0, errors), 0.01) ** 2
    degrees = len(points) - 1
    fixed = 1 / variances
    q = np.sum(fixed * (points - np.average(points, weights=fixed)) ** 2)
    between = max(0.0, (q - degrees) / (fixed.sum() - (fixed**2).sum() / fixed.sum()))
    weights = 1 / (variances + between)
    mean = np.average(points, weights=weights)
    error = np.sqrt(np.sum(weights * (points - mean) ** 2) / degrees / weights.sum())
    half = stats.t.ppf(0.975, degrees) * np.sqrt(between + error**2)
    p = 2 * stats.t.sf(abs(mean - 0.5) / error, degrees) if error > 0 else np.nan
    return mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1), p


def exchanged(judged, indicator, generator):
    """The p of as strong cases on either side when whole courses change places among the seeds."""
    n = len(judged.seeds)
    signed, weights = ({family: np.zeros((n * n, n * n)) for family in judged.families} for _ in range(2))
    for arm in judged.arms:
        later, now = judged.health[arm][:, 1:], indicator[arm][:, :-1]
        apart = np.nan_to_num(later[:, None] - later[None]).reshape(n * n, -1)
        known = (~np.isnan(now)[:, None] & ~np.isnan(now)[None]).reshape(n * n, -1)
        above = (now[:, None] > now[None]).reshape(n * n, -1).astype(float)
        below = (now[:, None] < now[None]).reshape(n * n, -1).astype(float)
        signed[judged.family[arm]] += apart @ (above - below).T
        weights[judged.family[arm]] += np.abs(apart) @ known.astype(float).T
    places = np.array([np.arange(n)] + [generator.permutation(n) for _ in range(EXCHANGES)])
    one, other = np.triu_indices(n, 1)
    of = places[:, one] * n + places[:, other]
    distances = []
    for family in judged.families:
        agreement, whole = (sums[family][one * n + other, of].sum(1) for sums in (signed, weights))
        distances.append(np.where(whole > 1e-12, agreement / np.maximum(whole, 1e-300) / 2, 0.0))
    distances = np.array(distances).T
    deviations = np.sqrt(np.mean(distances[1:] ** 2, axis=0))
    if np.sum(deviations > 1e-9) < 2:
        return np.nan
    standard = distances[:, deviations > 1e-9] / deviations[deviations > 1e-9]
    sides = [side.max(1) for side in (standard, -standard)]
    return max((1 + np.sum(case[1:] >= case[0] - 1e-9)) / (1 + EXCHANGES) for case in sides)


def single_indicators(judged, indicators, generator):
    for name, title, role in indicators:
        if role != "rejected" or not judged.is_present(name):
            continue
        column = judged.column(name)
        pairs = judged.pairs(column)
        families = [judged.copies(lambda sums, f=family: share(*sums[f]), pairs) for family in judged.families]
        families = [family for family in families if not np.isnan(family.point)]
        if len(families) < 2 or len(judged.seeds) < FEWEST:
            yield Finding("a", title)
            continue
        points = np.array([family.point for family in families])
        errors = np.array([family.error for family in families])
        mean, low, high, p = random_effects(points, errors)
        each = np.array([family.p(0.5) for family in families])
        known = ~np.isnan(each)
        significant = points[known][holm(each[known]) < LEVEL]
        holds_half = low <= 0.5 <= high
        drawn = holds_half and (significant > 0.5).any() and (significant < 0.5).any()
        mean_of_families = lambda sums: np.nanmean([share(*sums[family]) for family in judged.families])
        over_seeds = judged.copies(mean_of_families, pairs).p(0.5)
        chance = exchanged(judged, column, generator)
        middle = sorted((family for family in families if not np.isnan(family.error)), key=lambda family: family.error)
        yield Finding("a", title, None, point=mean, low=low, high=high, n=len(judged.seeds), drawn=drawn,
                      p_for=chance if drawn or np.isnan(chance) else 1.0, p_against=1.0 if holds_half else max(p, over_seeds),
                      power=middle[len(middle) // 2] if middle else None)


def combined_bound(claim, judged, indicators):
    combined = "step_over_combined_bound"
    rivals = ["step_over_noise_bound", "step_over_volatility_bound"]
    singles = [name for name, _, role in indicators if role == "rejected"] + ["online_accuracy"]
    formulas = [run["options"]["schedule"].get("bounds") for run in judged.runs]
    titles = {name: title for name, title, _ in indicators}
    if claim == "b'":
        rivals = singles
    elif claim == "b''":
        combined, rivals = "step_over_figures_bound", [rivals[0], "step_over_curvature_term", *singles]
        titles["step_over_curvature_term"] = "step / curvature term"
        for run in judged.runs:
            run["columns"].update(figures_bound(run))
    if not judged.is_present(combined):
        return
    for rival in filter(judged.is_present, rivals):
        if claim != "b''" and any(formula != formulas[0] for formula in formulas):
            yield Finding(claim, titles[rival])
            continue
        ours, theirs = judged.column(combined), judged.column(rival)
        for arm in judged.arms:
            undefined = np.isnan(ours[arm]) | np.isnan(theirs[arm])
            ours[arm][undefined] = theirs[arm][undefined] = np.nan
        read = read_as_others_teach if rival in singles else lambda sums: read_one_way(sums, False)
        ahead = lambda mine, other: read_one_way(mine, False) - read(other)
        yield Finding(claim, f"over {titles[rival]}", judged.copies(ahead, judged.pairs(ours), judged.pairs(theirs)))
