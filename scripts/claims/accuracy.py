"""Claims (c), (c'), (c'') and (e): differences in accuracy between schedules."""

import numpy as np

from claims.findings import MARGIN, Effect, Finding
from verify_ordering import family_of

# The families of methods that the paper names.
CLAIMED = ["crelu", "weight decay", "wasserstein"]


class Scored:
    """Mean online accuracies, and what each schedule is to the claims."""

    def __init__(self, runs):
        self.scores, self.family = {}, {}
        self.roles = {}
        for run in runs:
            self.family[run["arm"]] = family_of(run["parts"])
            self.roles[run["arm"][1]] = role(run)
            accuracy = run["columns"]["online_accuracy"]
            if not np.isnan(accuracy).any():
                self.scores.setdefault(run["arm"], {})[run["seed"]] = accuracy.mean()
        forms = sorted(label for label, what in self.roles.items() if what == ("scheduler",))
        self.members = [(family, form, self.methods(family, form)) for form in forms for family in CLAIMED]

    def methods(self, family, form):
        return sorted(method for method, schedule in self.scores if schedule == form and self.family[method, form] == family)

    def labels(self, *roles):
        return sorted(label for label, what in self.roles.items() if what in roles)

    def against(self, member, schedule):
        """By seed: the scheduler less another schedule, mean over the member's methods; empty where one lacks it."""
        _, form, methods = member
        pairs = [(self.scores[method, form], self.scores.get((method, schedule), {})) for method in methods]
        shared = set.intersection(*[set(one) & set(other) for one, other in pairs]) if pairs else set()
        return {seed: np.mean([one[seed] - other[seed] for one, other in pairs]) for seed in sorted(shared)}

    def effect(self, member, schedules):
        return Effect.of_mean(list(self.against(member, schedules[0]).values())) if schedules else None


def role(run):
    """What a schedule is: its part in the claims, and of which scheduler."""
    label, options = run["arm"][1], run["options"]["schedule"]
    name, limit = options["name"], options.get("limit")
    own_label = label.rsplit("/", 1)[-1]
    if name == "constant":
        return ("constant",) if own_label == "constant" else ("control",)
    if name == "replay":
        return ("flat" if options.get("flat") else "replay", options["rates"].split("/")[-2])
    if "floor_only" in (name, limit):
        return ("control",)
    if name in ("paper", "as_run") and limit == "noise" and own_label == f"{name}-limit=noise":
        return ("noise", label.replace("-limit=noise", ""))
    if name in ("paper", "as_run") and limit in (None, "combined") and own_label == name:
        return ("scheduler",)
    return ("variant",) if run["record"]["scheduled"] else ("control",)


def subject(member):
    return f"{member[0]} · {member[1]}"


def own_constant(scored):
    for member in scored.members:
        yield Finding("c", subject(member), scored.effect(member, ["constant"]))


def every_control(scored):
    for member in scored.members:
        controls = scored.labels(("constant",), ("control",), ("flat", member[1]))
        if controls in ([], ["constant"]):
            continue
        known = [found for found in (scored.against(member, control) for control in controls) if found]
        if not known:
            yield Finding("c'", subject(member))
            continue
        shared = sorted(set.intersection(*[set(found) for found in known]))
        differences = []
        for seed in shared:
            others = [sum(found[other] for other in shared if other != seed) for found in known]
            differences.append(known[int(np.argmin(others))][seed])
        finding = Finding("c'", subject(member), Effect.of_mean(differences))
        each = [(effect.point, effect.p(0)) for effect in (Effect.of_mean(list(found.values())) for found in known)]
        # What has no p counts as 1.
        if any(not np.isnan(p) for _, p in each):
            for_it = [p if point > 0 and not np.isnan(p) else 1.0 for point, p in each]
            against = [p if point <= -MARGIN and not np.isnan(p) else 1.0 for point, p in each]
            finding.p_for, finding.p_against = max(for_it), min(1.0, len(each) * min(against))
        yield finding


def by_schedule(claim, scored, what):
    labels = {member[1]: scored.labels((what, member[1])) for member in scored.members}
    if any(labels.values()):
        for member in scored.members:
            finding = Finding(claim, subject(member), scored.effect(member, labels[member[1]]))
            if claim == "e" and finding.is_tested():
                p = finding.power.p(0)
                finding.p_for, finding.p_against = (p, p) if np.isnan(p) else (p if finding.matters() else 1.0, 1.0)
            yield finding
