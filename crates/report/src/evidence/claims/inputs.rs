//! What the claims are judged by.

use std::collections::BTreeMap;

use trainability_record::glossary::DescribedIndicator;

use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::Trajectory;
use crate::evidence::health::HealthyArms;
use crate::evidence::outcomes::EventOptions;
use crate::evidence::predictiveness::Predictiveness;
use crate::series::Series;

/// Everything that the claims are judged by.
pub(crate) struct ClaimInputs<'a> {
    /// The arms that predictiveness is judged on.
    pub arms: &'a HealthyArms<'a>,
    /// The columns that may be rivals of the method's.
    pub indicators: &'a [DescribedIndicator],
    /// Finished runs.
    pub runs: &'a [Series],
    /// Scores of the indicators at horizon 1 (others are passed over).
    pub scores: &'a [Predictiveness],
    /// What each schedule of the sweep is, by its label.
    pub schedules: BTreeMap<String, ScheduleRole>,
    /// Learning rates of every layer of the runs under a scheduler.
    pub trajectories: &'a [Trajectory],
    /// The definition of the event.
    pub event: &'a EventOptions,
}
