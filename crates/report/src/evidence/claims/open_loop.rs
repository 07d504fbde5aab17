//! Claim (c''): is it the feedback that helps, or the course of the learning rates, which could be written down?

use trainability_stats::{Interval, Undefined};

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::scheduled::{Member, effect_against, label_of, members};

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
    let replay = |member: &Member<'_>| label_of(inputs, &ScheduleRole::Replay(member.own_form().to_owned()));
    let finding = |member: &Member<'_>| match replay(member) {
        Some(replay) => {
            let note = if member.methods.is_empty() { "not in this sweep" } else { "" };
            Finding::above(&CLAIM, member.subject(), effect_against(inputs, member, Some(replay)), note.to_owned())
        }
        None => Finding::not_tested(member.subject(), Undefined::NoPairedSeed, "no replay of its rates in this sweep"),
    };
    let members = members(inputs);
    if members.iter().all(|member| replay(member).is_none()) {
        return Vec::new();
    }
    members.iter().map(finding).collect()
}
