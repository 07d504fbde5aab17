//! Claim (e): does the curvature term of the combined bound change what the noise term does alone?

use trainability_stats::Interval;

use crate::evidence::claims::claim::{Claim, Finding, NEGLIGIBLE, Rule};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::scheduled::{Member, findings_beside};

/// The claim.
pub(super) const CLAIM: Claim = Claim {
    letter: "e",
    title: "what the curvature term changes",
    statement: "the curvature term changes what the noise term alone does",
    source: "arXiv 2509.19698, section on the combined bound: noise and volatility of curvature together",
    refuted_by: "no test can: where the whole interval lies within .01 of zero in all families, it is too small to matter",
    endpoint: "mean online accuracy over all tasks, scheduler less the same scheduler below the noise bound alone, paired by seed",
    test: "jackknife t over seeds against 0, either sign; the smallest p over families and forms times their number",
    null: 0.0,
    margin: NEGLIGIBLE,
    range: Interval::DIFFERENCE,
    rule: Rule::Any,
    examine,
};

fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let alone = |member: &Member<'_>| ScheduleRole::NoiseAlone(member.form.to_owned());
    let found = findings_beside(&CLAIM, inputs, alone, "not in this sweep below the noise bound alone");
    found.into_iter().map(either_way).collect()
}

/// The same finding, an effect of either sign being for the claim and none against it.
fn either_way(finding: Finding) -> Finding {
    let p = finding.power.and_then(|effect| {
        let p = effect.p(0.0)?;
        Ok(if effect.point.abs() >= NEGLIGIBLE { p } else { 1.0 })
    });
    Finding { p_for: p, p_against: p.and(Ok(1.0)), ..finding }
}
