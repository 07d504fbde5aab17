//! What the claims are judged by.

use std::collections::BTreeMap;

use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::Trajectory;
use crate::evidence::outcomes::EventOptions;
use crate::evidence::predictiveness::Predictiveness;
use crate::series::Series;

/// Everything that the claims are judged by.
#[derive(Clone, Debug)]
pub(crate) struct ClaimInputs<'a> {
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
