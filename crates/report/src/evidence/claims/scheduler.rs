//! Claims (c) and (d): what the scheduler gains over the constant learning rate, and over smaller steps that need no scheduler.
//!
//! Gains are paired by seed. A gain counts when its bootstrap interval lies on one side of zero and Student's paired t test, corrected by
//! Holm for all arms that are asked the same question, reaches 5 %: with three seeds the interval alone covers too little. Fewer than
//! three decide nothing.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::estimate::Undefined;

use crate::evidence::claims::finding::{Claim, Finding, LEVEL, Verdict, difference};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::gain::{Gain, SeedScores, correct, scores_by_arm};
use crate::series::Arm;

/// The methods that the paper's scheduler is said to help.
const CLAIMED: [&str; 4] = ["crelu", "l2_adam", "l2_loss", "wasserstein"];

/// Seeds below which no gain is decided, whatever the test says.
const FEWEST_SEEDS: usize = 3;

/// The arms whose schedule has a role.
fn arms_of<'a>(role: ScheduleRole, scores: &BTreeMap<&'a Arm, SeedScores>, inputs: &ClaimInputs<'_>) -> Vec<&'a Arm> {
    scores.keys().copied().filter(|arm| inputs.schedules.get(&arm.schedule) == Some(&role)).collect()
}

fn decided(gain: &Gain) -> Verdict {
    if gain.difference.is_ok_and(|difference| difference.n() < FEWEST_SEEDS) {
        return Verdict::Undecided;
    }
    match (gain.difference.and_then(|difference| difference.interval()), gain.p_paired_t_holm) {
        (Ok(interval), Ok(p)) if p < LEVEL && interval.low > 0.0 => Verdict::Supported,
        (Ok(interval), Ok(p)) if p < LEVEL && interval.high < 0.0 => Verdict::Contradicted,
        _ => Verdict::Undecided,
    }
}

fn told(gain: &Gain) -> String {
    let p = gain.p_paired_t_holm.map_or_else(|reason| reason.to_string(), |p| format!("p = {p:.3} after Holm"));
    match &gain.difference {
        Ok(mean) => format!("{}, {p}, n = {} seeds", difference(mean), mean.n()),
        Err(reason) => reason.to_string(),
    }
}

/// Claim (c): each claimed method under each form of the scheduler against its constant learning rate.
pub(super) fn improvement(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let scores = scores_by_arm(inputs.runs);
    let is = |arm: &Arm, method: &str| arm.method == method || arm.method.starts_with(&format!("{method}-"));
    let mut arms = arms_of(ScheduleRole::Scheduler, &scores, inputs);
    arms.retain(|arm| CLAIMED.iter().any(|method| is(arm, method)));
    let mut gains: Vec<Gain> = arms.iter().map(|arm| Gain::between(&scores, arm, &arm.control())).collect();
    correct(gains.iter_mut());
    let mut findings = Vec::new();
    for (arm, gain) in arms.iter().zip(&gains) {
        let verdict = match gain.difference {
            Err(_) => Verdict::NotTested,
            // A difference of nothing on every seed is a schedule that never fired.
            Ok(mean) if mean.point() == 0.0 && gain.p_paired_t == Err(Undefined::NoSpread) => Verdict::NotTested,
            Ok(_) => decided(gain),
        };
        findings.push(Finding::new(Claim::SchedulerImproves, arm, verdict, told(gain)));
    }
    for method in CLAIMED.iter().filter(|method| !arms.iter().any(|arm| is(arm, method))) {
        let evidence = "this sweep does not have it under the scheduler";
        findings.push(Finding::new(Claim::SchedulerImproves, method, Verdict::NotTested, evidence));
    }
    findings
}

/// Claim (d): the scheduler against every constant, decayed or capped step size on the same method; it has to beat all of a kind.
pub(super) fn controls(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let claim = Claim::SchedulerBeatsSmallerSteps;
    let scores = scores_by_arm(inputs.runs);
    let arms = arms_of(ScheduleRole::Scheduler, &scores, inputs);
    let kinds = [
        ("constant step sizes", ScheduleRole::OtherConstant),
        ("decayed step sizes", ScheduleRole::Decay),
        ("a mere cap", ScheduleRole::Cap),
    ];
    let mut findings = Vec::new();
    for (kind, role) in kinds {
        let mut rivals = arms_of(role, &scores, inputs);
        if role == ScheduleRole::OtherConstant {
            // The best constant may be the base one; alone, it is what claim (c) asks about.
            let base = |rival: &&Arm| scores.get_key_value(&rival.control()).map(|(arm, _)| *arm);
            let bases: BTreeSet<&Arm> = rivals.iter().filter_map(base).collect();
            rivals.extend(bases);
        }
        let mut gains: Vec<(&Arm, &Arm, Gain)> = Vec::new();
        for arm in &arms {
            let alike = rivals.iter().filter(|rival| rival.method == arm.method);
            gains.extend(alike.map(|rival| (*arm, *rival, Gain::between(&scores, arm, rival))));
        }
        if gains.is_empty() {
            let evidence = "not tested in this sweep; configs/controls.json does";
            findings.push(Finding::new(claim, kind, Verdict::NotTested, evidence));
        }
        correct(gains.iter_mut().map(|(_, _, gain)| gain));
        for arm in &arms {
            let of_arm: Vec<_> = gains.iter().filter(|(own, _, _)| own == arm).collect();
            let verdicts: Vec<Verdict> = of_arm.iter().map(|(_, _, gain)| decided(gain)).collect();
            let verdict = if verdicts.contains(&Verdict::Contradicted) {
                Verdict::Contradicted
            } else if verdicts.iter().all(|verdict| *verdict == Verdict::Supported) {
                Verdict::Supported
            } else {
                Verdict::Undecided
            };
            let mean = |gain: &Gain| gain.difference.map_or(f64::INFINITY, |difference| difference.point());
            let least = of_arm.iter().min_by(|(_, _, left), (_, _, right)| mean(left).total_cmp(&mean(right)));
            let Some((_, rival, gain)) = least else { continue };
            let evidence = format!("against the best of {}, {}: {}", of_arm.len(), rival.schedule, told(gain));
            findings.push(Finding::new(claim, format!("{arm} against {kind}"), verdict, evidence));
        }
    }
    findings
}
