"""Statistics over seeds, and the members of a claim."""

import numpy as np
from scipy import stats

LEVEL, MARGIN, WORTH_FINDING, FEWEST, MOST = 0.05, 0.01, 0.05, 5, 10_000
# Null, margin, range of the effects, and whether the claim holds where one member does.
CLAIMS = {
    "a": (0.5, 0.0, (0, 1), False),
    "b": (0.0, MARGIN, (-1, 1), False),
    "b'": (0.0, MARGIN, (-1, 1), False),
    "b''": (0.0, MARGIN, (-1, 1), False),
    "c": (0.0, MARGIN, (-1, 1), False),
    "c'": (0.0, MARGIN, (-1, 1), False),
    "c''": (0.0, MARGIN, (-1, 1), False),
    "d": (0.5, 0.0, (0, 1), False),
    "e": (0.0, MARGIN, (-1, 1), True),
}


class Effect:
    """A statistic over seeds with its jackknife error; NaN is undefined."""

    def __init__(self, point, copies):
        self.n, self.point, self.error = len(copies), point, np.nan
        if self.n < 2 or np.isnan(point) or np.isnan(copies).any():
            self.point = np.nan
            return
        error = np.sqrt((self.n - 1) / self.n * np.sum((copies - np.mean(copies)) ** 2))
        if error > 1e-12 * np.max(np.abs(copies)):
            self.error = error

    @staticmethod
    def of_mean(values):
        values = np.asarray(values, float)
        if len(values) < 2:
            return Effect(np.nan, np.full(len(values), np.nan))
        return Effect(values.mean(), np.array([np.delete(values, place).mean() for place in range(len(values))]))

    def interval(self, within):
        half = self.error * stats.t.ppf(0.975, self.n - 1)
        return np.clip(self.point - half, *within), np.clip(self.point + half, *within)

    def p(self, null):
        return 2 * stats.t.sf(abs(self.point - null) / self.error, self.n - 1) if self.n >= FEWEST else np.nan


def times_error(level, n):
    return stats.t.ppf(1 - level / 2, n - 1) + stats.t.ppf(0.8, n - 1)


def detectable(effect, level):
    return effect.error * times_error(level, effect.n) if effect else np.nan


def seeds_needed(effect, level):
    if not effect or np.isnan(effect.error):
        return np.nan
    n = np.arange(FEWEST, MOST + 1)
    enough = effect.error * np.sqrt(effect.n / n) * times_error(level, n) <= WORTH_FINDING
    return float(n[enough][0]) if enough.any() else np.nan


def holm(p):
    corrected, highest = np.zeros(len(p)), 0.0
    for rank, place in enumerate(np.argsort(p, kind="stable")):
        highest = max(highest, min(1.0, p[place] * (len(p) - rank)))
        corrected[place] = highest
    return corrected


class Finding:
    """A member of a claim."""

    def __init__(self, claim, subject, effect=None, **told):
        self.claim, self.subject, self.power = claim, subject, effect
        self.null, self.margin, self.range, self.any = CLAIMS[claim]
        self.point = self.low = self.high = self.p_for = self.p_against = np.nan
        self.n = 0
        if effect and not np.isnan(effect.point):
            self.take(effect)
        self.__dict__.update(told)

    def take(self, effect):
        self.power, self.point, self.n = effect, effect.point, effect.n
        self.low, self.high = effect.interval(self.range)
        p, beyond = effect.p(self.null), effect.point - self.null
        if not np.isnan(p):
            self.p_for = p if beyond > 0 else 1.0
            self.p_against = p if beyond < 0 and beyond <= -self.margin else 1.0

    def is_tested(self):
        return not np.isnan(self.point)

    def is_negligible(self):
        ends = [self.point] * 2 if np.isnan(self.low) else [self.low, self.high]
        return self.n >= FEWEST and all(abs(end - self.null) < self.margin for end in ends)

    def matters(self):
        return abs(self.point - self.null) >= self.margin

    def verdict(self, siblings):
        if not self.is_tested():
            return "not_tested"
        if self.is_negligible():
            return "too_small_to_matter"
        if self.p_for * siblings < LEVEL and self.matters():
            return "supported"
        if self.p_against * siblings < LEVEL:
            return "refuted"
        return "too_small_to_matter" if self.p_for * siblings < LEVEL else "undecided"

    def row(self, siblings):
        numbers = dict(effect=self.point, effect_low=self.low, effect_high=self.high, n=float(self.n),
                       p=np.nanmin([self.p_for, self.p_against, np.inf]), p_corrected=np.nan,
                       detectable=detectable(self.power, LEVEL), seeds_needed=seeds_needed(self.power, LEVEL))
        numbers["p"] = numbers["p"] if np.isfinite(numbers["p"]) else np.nan
        return dict(verdict=self.verdict(siblings), about="", **numbers)
