//! Claims (c) and (d): what the scheduler gains over the constant learning rate, and over smaller steps that need no scheduler.
//!
//! Gains are paired by seed. A gain counts when its bootstrap interval lies on one side of zero and Student's paired t test, corrected by
//! Holm for all arms that are asked the same question, reaches 5 %: with three seeds the interval alone covers too little. Fewer than
//! three decide nothing.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::aggregate::{mean, weighted_mean};
use trainability_stats::bootstrap::{Bootstrap, BootstrapOptions};
use trainability_stats::estimate::{Estimate, Undefined};
use trainability_stats::gaps::all_defined;
use trainability_stats::paired_tests::{holm_defined, paired_t};

use crate::evidence::claims::finding::{Claim, Finding, LEVEL, Verdict, signed};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::series::{Arm, CONTROL, Series};

/// The methods that the paper's scheduler is said to help.
const CLAIMED: [&str; 4] = ["crelu", "l2_adam", "l2_loss", "wasserstein"];

/// Seeds below which no gain is decided, whatever the test says.
const FEWEST_SEEDS: usize = 3;

/// A paired comparison of two arms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tested {
    /// Mean paired difference in mean online accuracy. Its n counts seeds.
    pub difference: Result<Estimate, Undefined>,
    /// Student's paired t test of it.
    pub p: Result<f64, Undefined>,
}

/// Mean online accuracy by arm and seed.
struct SeedScores<'a>(BTreeMap<&'a Arm, BTreeMap<u64, f64>>);

impl<'a> SeedScores<'a> {
    fn of(runs: &'a [Series]) -> Self {
        let mut scores: BTreeMap<&Arm, BTreeMap<u64, f64>> = BTreeMap::new();
        for run in runs {
            let accuracy = all_defined(run.online_accuracy());
            if let Some(score) = accuracy.and_then(|accuracy| mean(&accuracy).ok()) {
                scores.entry(&run.arm).or_default().insert(run.seed, score);
            }
        }
        Self(scores)
    }

    fn test(&self, arm: &Arm, control: &Arm, options: BootstrapOptions) -> Tested {
        let differences: Vec<f64> = match (self.0.get(arm), self.0.get(control)) {
            (Some(ours), Some(theirs)) => {
                ours.iter().filter_map(|(seed, score)| Some(score - theirs.get(seed)?)).collect()
            }
            _ => Vec::new(),
        };
        if differences.is_empty() {
            return Tested { difference: Err(Undefined::NoPairedSeed), p: Err(Undefined::NoPairedSeed) };
        }
        let bootstrap = Bootstrap::unstratified(differences.len(), options);
        let interval = bootstrap.interval(|weights| weighted_mean(&differences, weights));
        let difference = mean(&differences).map(|point| Estimate::new(point, interval, differences.len()));
        Tested { difference, p: paired_t(&differences) }
    }

    fn arms(&self, role: ScheduleRole, roles: &BTreeMap<String, ScheduleRole>) -> Vec<&'a Arm> {
        self.0.keys().copied().filter(|arm| roles.get(&arm.schedule) == Some(&role)).collect()
    }
}

fn decided(tested: &Tested, corrected: Result<f64, Undefined>) -> Verdict {
    if tested.difference.is_ok_and(|difference| difference.n() < FEWEST_SEEDS) {
        return Verdict::Undecided;
    }
    match (tested.difference.and_then(|difference| difference.interval()), corrected) {
        (Ok(interval), Ok(p)) if p < LEVEL && interval.low > 0.0 => Verdict::Supported,
        (Ok(interval), Ok(p)) if p < LEVEL && interval.high < 0.0 => Verdict::Contradicted,
        _ => Verdict::Undecided,
    }
}

fn told(tested: &Tested, corrected: Result<f64, Undefined>) -> String {
    let Ok(difference) = tested.difference else {
        return tested.difference.map_or_else(|reason| reason.to_string(), |_| String::new());
    };
    let ends = difference.interval().map_or_else(
        |reason| reason.to_string(),
        |interval| format!("{}, {}", signed(interval.low, 3), signed(interval.high, 3)),
    );
    let p = corrected.map_or_else(|reason| reason.to_string(), |p| format!("p = {p:.3} after Holm"));
    format!("{} [{ends}], {p}, n = {} seeds", signed(difference.point(), 3), difference.n())
}

/// Claim (c): each claimed method under each form of the scheduler against its constant learning rate.
pub(super) fn improvement(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let scores = SeedScores::of(inputs.runs);
    let mut findings = Vec::new();
    let is = |arm: &Arm, method: &str| arm.method == method || arm.method.starts_with(&format!("{method}-"));
    let arms: Vec<&Arm> = scores
        .arms(ScheduleRole::Scheduler, &inputs.schedules)
        .into_iter()
        .filter(|arm| CLAIMED.iter().any(|method| is(arm, method)))
        .collect();
    let tests: Vec<Tested> = arms.iter().map(|arm| scores.test(arm, &under(arm, CONTROL), inputs.bootstrap)).collect();
    let corrected = holm_defined(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
    for ((arm, test), corrected) in arms.iter().zip(&tests).zip(corrected) {
        let verdict = match test.difference {
            Err(_) => Verdict::NotTested,
            // A difference of nothing on every seed is a schedule that never fired.
            Ok(difference) if difference.point() == 0.0 && test.p == Err(Undefined::NoSpread) => Verdict::NotTested,
            Ok(_) => decided(test, corrected),
        };
        findings.push(finding(Claim::SchedulerImproves, name(arm), verdict, told(test, corrected)));
    }
    for method in CLAIMED.iter().filter(|method| !arms.iter().any(|arm| is(arm, method))) {
        let evidence = "this sweep does not have it under the scheduler".to_owned();
        findings.push(finding(Claim::SchedulerImproves, (*method).to_owned(), Verdict::NotTested, evidence));
    }
    findings
}

/// Claim (d): the scheduler against every constant, decayed or capped step size on the same method; it has to beat all of a kind.
pub(super) fn controls(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let scores = SeedScores::of(inputs.runs);
    let arms = scores.arms(ScheduleRole::Scheduler, &inputs.schedules);
    let kinds = [
        ("constant step sizes", ScheduleRole::OtherConstant),
        ("decayed step sizes", ScheduleRole::Decay),
        ("a mere cap", ScheduleRole::Cap),
    ];
    let mut findings = Vec::new();
    for (kind, role) in kinds {
        let mut rivals: Vec<&Arm> = scores.arms(role, &inputs.schedules);
        if role == ScheduleRole::OtherConstant {
            // The best constant may be the base one; alone, it is what claim (c) asks about.
            let base = |rival: &&Arm| scores.0.get_key_value(&under(rival, CONTROL)).map(|(arm, _)| *arm);
            let bases: BTreeSet<&Arm> = rivals.iter().filter_map(base).collect();
            rivals.extend(bases);
        }
        let pairs: Vec<(&Arm, &Arm)> = arms
            .iter()
            .flat_map(|arm| rivals.iter().filter(|rival| rival.method == arm.method).map(|rival| (*arm, *rival)))
            .collect();
        if pairs.is_empty() {
            let evidence = "not tested in this sweep; configs/controls.json does".to_owned();
            findings.push(finding(Claim::SchedulerBeatsSmallerSteps, kind.to_owned(), Verdict::NotTested, evidence));
            continue;
        }
        let tests: Vec<Tested> = pairs.iter().map(|(arm, rival)| scores.test(arm, rival, inputs.bootstrap)).collect();
        let corrected = holm_defined(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
        for arm in &arms {
            let of_arm: Vec<usize> = (0..pairs.len()).filter(|place| pairs[*place].0 == *arm).collect();
            let verdicts: Vec<Verdict> =
                of_arm.iter().map(|place| decided(&tests[*place], corrected[*place])).collect();
            let verdict = match verdicts.as_slice() {
                [] => continue,
                verdicts if verdicts.contains(&Verdict::Contradicted) => Verdict::Contradicted,
                verdicts if verdicts.iter().all(|verdict| *verdict == Verdict::Supported) => Verdict::Supported,
                _ => Verdict::Undecided,
            };
            let gain = |place: &usize| tests[*place].difference.map_or(f64::INFINITY, |difference| difference.point());
            let Some(best) = of_arm.iter().min_by(|left, right| gain(left).total_cmp(&gain(right))).copied() else {
                continue;
            };
            let rival = &pairs[best].1.schedule;
            let evidence =
                format!("against the best of {}, {rival}: {}", of_arm.len(), told(&tests[best], corrected[best]));
            let subject = format!("{} against {kind}", name(arm));
            findings.push(finding(Claim::SchedulerBeatsSmallerSteps, subject, verdict, evidence));
        }
    }
    findings
}

fn finding(claim: Claim, subject: String, verdict: Verdict, evidence: String) -> Finding {
    Finding { claim, subject, verdict, evidence }
}

fn under(arm: &Arm, schedule: &str) -> Arm {
    Arm { method: arm.method.clone(), schedule: schedule.to_owned() }
}

fn name(arm: &Arm) -> String {
    format!("{}/{}", arm.method, arm.schedule)
}
