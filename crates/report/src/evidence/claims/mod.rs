//! The paper's claims (arXiv 2509.19698) as a checklist, filled in from finished runs: each with its evidence and a verdict.
//!
//! Verdicts are conservative. A claim about all of something is supported only when every [`finding::Finding`] supports it; where an interval
//! includes the boundary, or a test corrected for its siblings does not reach 5 %, the finding is undecided; and what the sweep did not
//! run is not tested, never contradicted.

use crate::evidence::claims::finding::Finding;
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::{ScheduleRole, roles};
use crate::evidence::claims::trajectory::{Trajectory, trajectories};
use crate::evidence::health::HealthyArms;
use crate::evidence::outcomes::{EventOptions, scored_runs};
use crate::evidence::predictiveness::Predictiveness;
use crate::results::{RecordedRun, RecordedSweep};
use crate::series::Series;

pub(crate) mod combined_bound;
pub(crate) mod counter_examples;
pub(crate) mod finding;
pub(crate) mod inputs;
pub(crate) mod mirrored_decay;
pub(crate) mod roles;
pub(crate) mod scheduler;
pub(crate) mod trajectory;

/// Judges every claim.
pub(crate) fn judge(
    sweep: &RecordedSweep,
    arms: &HealthyArms<'_>,
    runs: &[Series],
    scores: &[Predictiveness],
    event: &EventOptions,
) -> Vec<Finding> {
    let schedules = roles(sweep);
    let scheduled = |run: &&RecordedRun| schedules.get(&run.arm.schedule) == Some(&ScheduleRole::Scheduler);
    let trajectories: Vec<Trajectory> = sweep.finished().filter(scheduled).flat_map(trajectories).collect();
    let indicators = &sweep.glossary.indicators;
    examine(&ClaimInputs { arms, indicators, runs, scores, schedules, trajectories: &trajectories, event })
}

/// All findings, claim by claim.
pub(crate) fn examine(inputs: &ClaimInputs<'_>) -> Vec<Finding> {
    let scored = scored_runs(inputs.runs, inputs.event);
    let mut findings = counter_examples::findings(inputs, &scored);
    findings.extend(combined_bound::findings(inputs));
    findings.extend(scheduler::improvement(inputs));
    findings.extend(scheduler::controls(inputs));
    findings.extend(mirrored_decay::findings(inputs));
    findings
}
