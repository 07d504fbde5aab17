//! The scheduler in the families of methods that the paper has it improve, and differences to other schedules there.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::Undefined;
use trainability_stats::jackknife::Jackknife;

use crate::evidence::claims::claim::{Claim, Finding};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::gain::SeedScores;
use crate::series::Arm;

/// The families of methods on top of which the scheduler is said to help.
const CLAIMED: [&str; 3] = ["crelu", "weight decay", "wasserstein"];

/// A form of the scheduler in a family of methods, by the methods that were run with it.
pub(super) struct Member<'a> {
    /// The family.
    pub family: &'static str,
    /// The schedule's label.
    pub form: &'a str,
    /// Its methods; near copies of each other, and averaged.
    pub methods: Vec<&'a str>,
}

impl Member<'_> {
    /// The form by its own name, without that of the sweep which stands in front where several sweeps have one.
    pub(super) fn own_form(&self) -> &str {
        self.form.rsplit('/').next().unwrap_or(self.form)
    }

    /// As tables name it.
    pub(super) fn subject(&self) -> String {
        format!("{} · {}", self.family, self.form)
    }
}

/// Every form of the scheduler that the sweep has, in every family; a family that the sweep lacks has no methods.
pub(super) fn members<'a>(inputs: &'a ClaimInputs<'_>) -> Vec<Member<'a>> {
    let forms = inputs.schedules.iter().filter(|(_, role)| **role == ScheduleRole::Scheduler).map(|(label, _)| label);
    let of_family = |form: &'a str, family: &'static str| {
        let is_its = |arm: &&&Arm| arm.schedule == form && inputs.families.get(**arm).is_some_and(|f| f == family);
        Member { family, form, methods: inputs.scores.keys().filter(is_its).map(|arm| arm.method.as_str()).collect() }
    };
    forms.flat_map(|form| CLAIMED.iter().map(move |family| of_family(form, family))).collect()
}

/// The scores of a method under a schedule.
fn scores<'a>(inputs: &'a ClaimInputs<'_>, method: &str, schedule: &str) -> Option<&'a SeedScores> {
    inputs.scores.get(&Arm { method: method.to_owned(), schedule: schedule.to_owned() })
}

/// What is said of a family that was not run.
pub(super) const NOT_IN_THIS_SWEEP: &str = "not in this sweep";

/// For each seed that all have, the mean over pairs of arms of the difference in score.
///
/// # Errors
/// [`Undefined::NoPairedSeed`] without such a seed.
fn differences(pairs: &[(&SeedScores, &SeedScores)]) -> Result<BTreeMap<u64, f64>, Undefined> {
    let seeds = |scores: &SeedScores| scores.keys().copied().collect::<BTreeSet<u64>>();
    let shared = pairs.iter().map(|(one, other)| &seeds(one) & &seeds(other)).reduce(|a, b| &a & &b);
    let difference = |seed: u64| {
        let sum: f64 = pairs.iter().map(|(one, other)| one[&seed] - other[&seed]).sum();
        (seed, sum / pairs.len() as f64)
    };
    let found: BTreeMap<u64, f64> = shared.into_iter().flatten().map(difference).collect();
    if found.is_empty() { Err(Undefined::NoPairedSeed) } else { Ok(found) }
}

/// The mean of values a seed.
pub(super) fn mean(values: &[f64]) -> Result<Jackknife, Undefined> {
    let over = |left_out: Option<usize>| {
        let kept = values.iter().enumerate().filter(|(seed, _)| Some(*seed) != left_out).map(|(_, value)| value);
        Ok(kept.sum::<f64>() / (values.len() - usize::from(left_out.is_some())) as f64)
    };
    Jackknife::of(values.len(), over)
}

/// The mean difference of a member to another schedule of the same methods.
///
/// # Errors
/// [`Undefined::NoPairedSeed`] where a method lacks the other schedule.
pub(super) fn against(
    inputs: &ClaimInputs<'_>,
    member: &Member<'_>,
    schedule: &str,
) -> Result<BTreeMap<u64, f64>, Undefined> {
    let pair = |method: &&str| scores(inputs, method, member.form).zip(scores(inputs, method, schedule));
    let pairs: Option<Vec<_>> = member.methods.iter().map(pair).collect();
    differences(&pairs.filter(|pairs| !pairs.is_empty()).ok_or(Undefined::NoPairedSeed)?)
}

/// The mean difference of a member to another schedule, as a finding of a claim.
pub(super) fn finding_against(claim: &Claim, inputs: &ClaimInputs<'_>, member: &Member<'_>, schedule: &str) -> Finding {
    let found = against(inputs, member, schedule);
    let effect = found.and_then(|found| mean(&found.into_values().collect::<Vec<f64>>()));
    let note = if member.methods.is_empty() { NOT_IN_THIS_SWEEP } else { "" };
    Finding::above(claim, member.subject(), effect, note.to_owned())
}

/// The same for every member, against the schedule of a role that belongs to its form; nothing where no form has one.
pub(super) fn findings_beside(
    claim: &Claim,
    inputs: &ClaimInputs<'_>,
    role: impl Fn(&Member<'_>) -> ScheduleRole,
    lacking: &str,
) -> Vec<Finding> {
    let with_schedule = |member| {
        let schedule = label_of(inputs, &role(&member));
        (member, schedule)
    };
    let members: Vec<(Member<'_>, Option<&str>)> = members(inputs).into_iter().map(with_schedule).collect();
    if members.iter().all(|(_, schedule)| schedule.is_none()) {
        return Vec::new();
    }
    let finding = |(member, schedule): &(Member<'_>, Option<&str>)| match schedule {
        Some(schedule) => finding_against(claim, inputs, member, schedule),
        None => Finding::not_tested(member.subject(), Undefined::NoPairedSeed, lacking),
    };
    members.iter().map(finding).collect()
}

/// The schedule with this role.
fn label_of<'a>(inputs: &'a ClaimInputs<'_>, role: &ScheduleRole) -> Option<&'a str> {
    inputs.schedules.iter().find(|(_, other)| *other == role).map(|(label, _)| label.as_str())
}
