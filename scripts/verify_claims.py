#!/usr/bin/env python3
"""Computes claims.csv anew from the runs' files, and compares: a second implementation, with numpy and scipy.

    python3 scripts/verify_claims.py RESULTS_DIR... [--out DIR]

RESULTS_DIR holds the runs; the report's claims.csv lies there too, or in DIR, where several sweeps have one report.
Follows docs/statistics.md ("Verdicts on the claims"), and shares nothing with the program.

Two numbers rest on random draws, of which this program makes its own: the p of exchanged courses in claim (a), which has
to lie within four standard errors of both shares, and the place among random falling curves in claim (d), which has to
lie within five standard deviations of its own repetitions. They are then taken over from the table, so that all that
follows from them, Holm's correction and the verdicts included, is held to rounding. Prints the largest differences and
exits with 1 if one of them is too large.
"""

import csv
import sys

# First, since it says in a sentence where numpy or scipy is missing.
from verify_ordering import arguments, number, read_sweeps, with_health

import numpy as np

from claims.accuracy import Scored, by_schedule, every_control, own_constant
from claims.concordance import EXCHANGES, Judged, combined_bound, single_indicators
from claims.decays import CURVES, REPETITIONS, canonical_decay
from claims.findings import CLAIMS, FEWEST, LEVEL, Effect, Finding, detectable, holm, seeds_needed, times_error

RELATIVE, ABSOLUTE = 1e-6, 1e-9
THEIR_EXCHANGES = 1_999


def decide(claim, findings):
    """The claim's p, and what is needed to decide it once all p are corrected."""
    of_any = CLAIMS[claim][3]
    p_for, p_against = (np.array([getattr(f, side) for f in findings]) for side in ("p_for", "p_against"))
    one, zero = np.nan_to_num(p_for, nan=1.0), np.nan_to_num(p_against, nan=1.0)
    count = len(findings)
    if count == 0 or (np.isnan(p_for).all() and np.isnan(p_against).all()):
        sides = np.array([np.nan, np.nan])
    elif of_any:
        sides = np.array([min(1.0, count * one.min()), zero.max()])
    else:
        sides = np.array([one.max(), min(1.0, count * zero.min())])
    return sides, one, zero, p_for


def deciding(findings, one, p_for):
    """Of the members that are as far from support, the one with the least effect; where one is enough, the nearest to it."""
    if findings[0].any:
        distances = [abs(finding.point - finding.null) if finding.is_tested() else -1.0 for finding in findings]
        return int(np.argmax(distances) if np.isnan(p_for).all() else np.nanargmin(p_for))
    worst = int(np.argmax(one))
    kind = lambda place: (np.isnan(p_for[place]), one[place], findings[place].is_tested() or not np.isnan(p_for[worst]))
    alike = [place for place in range(len(findings)) if kind(place) == kind(worst)]
    return min(alike, key=lambda place: findings[place].point if findings[place].is_tested() else np.inf)


def judge(examined):
    sides = {claim: decide(claim, findings) for claim, findings in examined.items()}
    tested = [claim for claim, findings in examined.items() if any(f.is_tested() for f in findings)]
    p = {claim: np.nan if np.isnan(sides[claim][0]).all() else np.nanmin(sides[claim][0]) for claim in examined}
    holms = dict(zip(tested, holm([1.0 if np.isnan(p[claim]) else p[claim] for claim in tested])))
    rows = {}
    for claim, findings in examined.items():
        corrected = holms.get(claim, np.nan) if not np.isnan(p[claim]) else np.nan
        (for_it, against), one, zero, p_for = sides[claim]
        shown, of_any = corrected < LEVEL, CLAIMS[claim][3]
        small = [place for place, finding in enumerate(findings) if finding.is_negligible()]
        known = [finding for finding in findings if finding.is_tested()]
        verdict, place = "not_tested", None
        if known:
            if shown and against == p[claim]:
                verdict, place = "refuted", int(np.argmin(zero))
            elif (len(small) == len(known)) if of_any else small:
                verdict, place = "too_small_to_matter", small[0]
            else:
                place = deciding(findings, one, p_for)
                if shown and for_it == p[claim]:
                    all_matter = of_any or all(finding.matters() for finding in known)
                    verdict = "supported" if all_matter else "too_small_to_matter"
                else:
                    verdict = "undecided"
        one_of = findings[place] if place is not None else Finding(claim, "")
        level = LEVEL / max(1, len(tested))
        rows[claim, ""] = dict(verdict=verdict, about=one_of.subject, effect=one_of.point, effect_low=one_of.low,
                               effect_high=one_of.high, n=float(one_of.n), p=p[claim], p_corrected=corrected,
                               detectable=detectable(one_of.power, level), seeds_needed=seeds_needed(one_of.power, level))
        for finding in findings:
            rows[claim, finding.subject] = finding.row(len(findings))
    return rows


def take_over(examined, table):
    """Compares what rests on random draws within sampling error, and takes it over. Returns what is too far off."""
    wrong = []
    for finding in examined["a"]:
        row = table.get(("a", finding.subject))
        if row and finding.is_tested() and finding.drawn:
            ours, theirs = finding.p_for, number(row["p"])
            both = (ours * EXCHANGES + theirs * THEIR_EXCHANGES) / (EXCHANGES + THEIR_EXCHANGES)
            error = np.sqrt(both * (1 - both) * (1 / EXCHANGES + 1 / THEIR_EXCHANGES))
            apart = abs(ours - theirs) / error
            print(f"a {finding.subject}: p of exchanged courses {theirs:.4f}, here {ours:.4f}, {apart:.1f} errors apart")
            if not apart <= 4:
                wrong.append(f"a {finding.subject}: p of exchanged courses")
            finding.p_for = theirs
    for finding in examined["d"]:
        row = table.get(("d", finding.subject))
        if not row or not finding.is_tested():
            continue
        theirs = Effect.of_mean([])
        theirs.n, theirs.point = finding.n, number(row["effect"])
        theirs.error = number(row["detectable"]) / times_error(LEVEL, finding.n)
        for what in ("point", "error"):
            ours = np.nan_to_num([getattr(effect, what) for effect in finding.repeated])
            value = np.nan_to_num(getattr(theirs, what))
            apart, spread = abs(value - ours.mean()), ours.std(ddof=1) * np.sqrt(1 + 1 / REPETITIONS)
            far = apart / max(spread, 1e-12)
            print(f"d {finding.subject}: {what} {value:.4f}, here {ours.mean():.4f} in the mean, {far:.1f} deviations apart")
            # Between random curves an R2 has 500 places.
            if not apart <= 5 * spread + 1 / CURVES:
                wrong.append(f"d {finding.subject}: {what}")
        finding.take(theirs)
        if np.isnan(theirs.error) and finding.n >= FEWEST and abs(theirs.point - 0.5) == 0.5:
            p = 2.0 ** (1 - finding.n)
            finding.p_for, finding.p_against = (p, 1.0) if theirs.point > 0.5 else (1.0, p)
    return wrong


def compare(rows, table):
    """The largest difference in each column, and whether one is too large."""
    worst, wrong = {}, [f"{key} is in one of the tables alone" for key in rows.keys() ^ table.keys()]
    for key in rows.keys() & table.keys():
        for name, ours in rows[key].items():
            theirs = table[key][name]
            if name in ("verdict", "about"):
                if ours != theirs:
                    wrong.append(f"{key}: {name} is {theirs!r}, here {ours!r}")
                continue
            theirs = number(theirs)
            if np.isnan(ours) and np.isnan(theirs):
                continue
            apart = abs(ours - theirs) if not np.isnan(ours - theirs) else np.inf
            worst[name] = max(worst.get(name, (0.0, key)), (apart, key))
            if not apart <= (1e-12 if name == "p" else ABSOLUTE) + RELATIVE * abs(theirs):
                wrong.append(f"{key}: {name} is {theirs}, here {ours}")
    for name, (apart, (claim, of)) in worst.items():
        print(f"{name}: at most {apart:.1e} apart ({' '.join([claim, of]).strip()})")
    return wrong


def main():
    folders, path = arguments(sys.argv[1:], "claims.csv")
    chance, indicators, runs = read_sweeps(folders)
    generator = np.random.default_rng(1)
    judged, scored = Judged(with_health(runs, chance)), Scored(runs)
    examined = {
        "a": single_indicators(judged, indicators, generator),
        "b": combined_bound("b", judged, indicators),
        "b'": combined_bound("b'", judged, indicators),
        "b''": combined_bound("b''", judged, indicators),
        "c": own_constant(scored),
        "c'": every_control(scored),
        "c''": by_schedule("c''", scored, "replay"),
        "d": canonical_decay(runs, scored, generator),
        "e": by_schedule("e", scored, "noise"),
    }
    examined = {claim: list(findings) for claim, findings in examined.items()}
    table = {(row["claim"], row["subject"].removeprefix("'")): row for row in csv.DictReader(open(path))}
    wrong = take_over(examined, table)
    rows = judge(examined)
    wrong += compare(rows, table)
    words = ", ".join(f"{claim} {rows[claim, '']['verdict']}" for claim in examined)
    print(f"{len(rows)} rows; {words}")
    for line in wrong:
        print(f"differs: {line}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
