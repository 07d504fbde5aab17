//! Claim (c'): does the scheduler do what no smaller, falling or capped step does that asks for no bound?

use std::collections::BTreeMap;

use trainability_stats::jackknife::Jackknife;
use trainability_stats::{Interval, Undefined};

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::scheduled::{Member, against, mean, members};

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "c'",
    title: "scheduler over the best control",
    statement: "the scheduler does what no constant, decayed or capped step size does",
    source: "arXiv 2509.19698, section on the scheduler: it replaces hand-made decays",
    refuted_by: "a control that is significantly better than the scheduler, by .01 or more",
    endpoint: "mean online accuracy over all tasks, scheduler less the control that is best on the other seeds, paired by seed",
    test: "jackknife t over seeds against 0, control by control; the largest p over controls, families and forms",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine,
};

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let others = |member: &Member<'_>| -> Vec<&str> {
        let counts = |role: &ScheduleRole| match role {
            ScheduleRole::Flat(of) => of == member.own_form(),
            role => role.is_control(),
        };
        inputs.schedules.iter().filter(|(_, role)| counts(role)).map(|(label, _)| label.as_str()).collect()
    };
    // The base constant alone is what claim (c) asks about.
    members(inputs)
        .iter()
        .filter(|member| others(member).iter().any(|label| inputs.schedules[*label] != ScheduleRole::BaseConstant))
        .map(|member| finding(inputs, member, &others(member)))
        .collect()
}

fn finding(inputs: &ClaimInputs<'_>, member: &Member<'_>, controls: &[&str]) -> Finding {
    let known: Vec<(&str, BTreeMap<u64, f64>)> =
        controls.iter().filter_map(|control| Some((*control, against(inputs, member, control).ok()?))).collect();
    let of_control = |(_, found): &(&str, BTreeMap<u64, f64>)| mean(&found.values().copied().collect::<Vec<f64>>());
    let each: Vec<Result<Jackknife, Undefined>> = known.iter().map(of_control).collect();
    let p = |effect: &Result<Jackknife, Undefined>| Some((effect.ok()?.point, effect.ok()?.p(0.0).ok()?));
    let tested: Vec<(f64, f64)> = each.iter().filter_map(p).collect();
    let side = |p: f64| if tested.is_empty() { Err(Undefined::NoPairedSeed) } else { Ok(p) };
    // A p that does not exist, as where a control never differs, counts as 1.
    let beaten = |found: &(f64, f64)| if found.0 > 0.0 { found.1 } else { 1.0 };
    let largest = tested.iter().map(beaten).fold(if tested.len() < each.len() { 1.0 } else { 0.0 }, f64::max);
    let better = tested.iter().filter(|(point, _)| *point <= -NEGLIGIBLE).map(|(_, p)| *p);
    let smallest = better.fold(1.0, f64::min);
    let (effect, best) = against_best(&known);
    let note = match best {
        Some(best) => format!("the best of {} controls is {best}", known.len()),
        None => "no control in this sweep".to_owned(),
    };
    Finding {
        p_for: side(largest),
        p_against: side((smallest * each.len() as f64).min(1.0)),
        ..Finding::above(&CLAIM, member.subject(), effect, note)
    }
}

/// The difference of each seed to the control that is best on the other seeds, and the control that is best on all.
fn against_best<'a>(known: &[(&'a str, BTreeMap<u64, f64>)]) -> (Result<Jackknife, Undefined>, Option<&'a str>) {
    let shared: Vec<u64> = known.first().map_or(Vec::new(), |(_, found)| found.keys().copied().collect());
    let shared: Vec<u64> =
        shared.into_iter().filter(|seed| known.iter().all(|(_, found)| found.contains_key(seed))).collect();
    // The least difference belongs to the best control.
    let best = |left_out: Option<u64>| {
        let sum = |found: &BTreeMap<u64, f64>| {
            shared.iter().filter(|seed| Some(**seed) != left_out).map(|seed| found[seed]).sum::<f64>()
        };
        known.iter().min_by(|(_, one), (_, other)| sum(one).total_cmp(&sum(other)))
    };
    let differences: Vec<f64> = shared.iter().filter_map(|seed| Some(best(Some(*seed))?.1[seed])).collect();
    (mean(&differences), best(None).map(|(label, _)| *label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_control_is_chosen_on_the_other_seeds() {
        // Differences to two controls; with all seeds b is best, and so it is without seed 0 or 1; without seed 2 it is a.
        let of = |values: [f64; 3]| (0..).zip(values).collect::<BTreeMap<u64, f64>>();
        let known = [("a", of([0.1, 0.2, 0.3])), ("b", of([0.2, 0.3, -0.3]))];
        let (effect, best) = against_best(&known);
        assert_eq!(best, Some("b"));
        assert!((effect.unwrap().point - (0.2 + 0.3 + 0.3) / 3.0).abs() < 1e-12, "{effect:?}");
    }
}
