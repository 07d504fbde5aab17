//! What the claims are judged by.

use std::collections::BTreeMap;

use trainability_record::glossary::DescribedIndicator;

use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::Trajectory;
use crate::evidence::gain::SeedScores;
use crate::evidence::health::HealthyArms;
use crate::series::Arm;

/// Everything that the claims are judged by.
pub(crate) struct ClaimInputs<'a> {
    /// The arms that predictiveness is judged on.
    pub arms: &'a HealthyArms<'a>,
    /// The columns that may be rivals of the method's.
    pub indicators: &'a [DescribedIndicator],
    /// The mean online accuracy of every finished run, by arm and seed.
    pub scores: &'a BTreeMap<&'a Arm, SeedScores>,
    /// The family of methods of each arm.
    pub families: &'a BTreeMap<Arm, String>,
    /// What each schedule of the sweep is, by its label.
    pub schedules: &'a BTreeMap<String, ScheduleRole>,
    /// Learning rates of every layer of the runs under a scheduler.
    pub trajectories: &'a [Trajectory],
}
