//! The paper's claims (arXiv 2509.19698), each in a file of its own with the rule that decides it, and what the runs say of them.
//!
//! Rules are fixed before the data, and conservative: all claims that a sweep has runs for are tested together (Holm), nothing is
//! decided below five seeds, a difference below .01 is too small to matter whatever its p, and what was not run is not tested.

use std::collections::BTreeMap;

use crate::evidence::claims::claim::{Claim, Judgement, judge_together};
use crate::evidence::claims::inputs::ClaimInputs;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::{Trajectory, trajectories};
use crate::evidence::gain::scores_by_arm;
use crate::evidence::health::HealthyArms;
use crate::results::{RecordedRun, RecordedSweep};
use crate::series::{Arm, Series};

mod canonical_decay;
pub(crate) mod claim;
mod combined_bound;
mod curvature_term;
mod every_control;
pub(crate) mod inputs;
mod open_loop;
mod own_constant;
pub(crate) mod roles;
mod scheduled;
mod single_indicators;
pub(crate) mod trajectory;

/// Every claim, in the report's order.
pub(crate) const CLAIMS: [&Claim; 9] = [
    &single_indicators::CLAIM,
    &combined_bound::AGAINST_PARTS,
    &combined_bound::AGAINST_SINGLES,
    &combined_bound::OF_FIGURES,
    &own_constant::CLAIM,
    &every_control::CLAIM,
    &open_loop::CLAIM,
    &canonical_decay::CLAIM,
    &curvature_term::CLAIM,
];

/// Judges every claim.
pub(crate) fn judge(
    sweep: &RecordedSweep,
    arms: &HealthyArms<'_>,
    runs: &[Series],
    schedules: &BTreeMap<String, ScheduleRole>,
    families: &BTreeMap<Arm, String>,
) -> Vec<Judgement> {
    let scheduled = |run: &&RecordedRun| schedules.get(&run.arm.schedule) == Some(&ScheduleRole::Scheduler);
    let trajectories: Vec<Trajectory> = sweep.finished().filter(scheduled).flat_map(trajectories).collect();
    examine(&ClaimInputs {
        arms,
        indicators: &sweep.glossary.indicators,
        scores: &scores_by_arm(runs),
        families,
        schedules,
        trajectories: &trajectories,
    })
}

/// Judges every claim by these inputs.
pub(crate) fn examine(inputs: &ClaimInputs<'_>) -> Vec<Judgement> {
    judge_together(CLAIMS.iter().map(|claim| (*claim, (claim.examine)(inputs))).collect())
}
