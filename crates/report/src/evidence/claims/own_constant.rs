//! Claim (c): does the scheduler improve on the constant learning rate that it begins with?

use trainability_stats::Interval;

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::scheduled::{finding_against, members};
use crate::series::CONTROL;

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "c",
    title: "scheduler over its own constant rate",
    statement: "the scheduler improves accuracy on top of CReLU, L2 and Wasserstein regularisation",
    source: "arXiv 2509.19698, abstract and Figure 5",
    refuted_by: "a family of methods in which it is significantly worse, by .01 or more",
    endpoint: "mean online accuracy over all tasks, scheduler less base constant rate, paired by seed",
    test: "jackknife t over seeds (Student's paired t) against 0; the largest p over families and forms",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Every,
    examine,
};

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    members(inputs).iter().map(|member| finding_against(&CLAIM, inputs, member, CONTROL)).collect()
}
