//! Claim (c''): is it the feedback that helps, or the course of the learning rates, which could be written down?

use trainability_stats::Interval;

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::scheduled::{Member, findings_beside};

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "c''",
    title: "scheduler over its own rates replayed",
    statement: "the scheduler gains by reacting to what it measures, beyond the course of its learning rates",
    source: "arXiv 2509.19698, section on the scheduler: an adaptive, per-layer control",
    refuted_by: "a family of methods in which the replayed rates are significantly better, by .01 or more",
    endpoint: "mean online accuracy over all tasks, scheduler less a replay of the other seeds' mean rates, paired by seed",
    test: "jackknife t over seeds against 0; the largest p over families and forms",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine,
};

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let replay = |member: &Member<'_>| ScheduleRole::Replay(member.own_form().to_owned());
    findings_beside(&CLAIM, inputs, replay, "no replay of its rates in this sweep")
}
