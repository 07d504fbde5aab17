//! The course of a layer's learning rate.

use trainability_record::controls::LayerSeries;

use crate::results::RecordedRun;
use crate::series::Arm;

/// Points of a trajectory that are enough to fit a decay to.
pub(crate) const MOST_POINTS: usize = 100;

/// The learning rate of one layer of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trajectory {
    /// Method and schedule.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// The layer.
    pub layer: String,
    /// Time, from 0 to 1 over the run, and learning rate.
    pub points: Vec<(f64, f64)>,
}

/// The learning rates of a run's layers, over time from 0 to 1, thinned to what a fit needs.
pub(crate) fn trajectories(run: &RecordedRun) -> Vec<Trajectory> {
    let updates = run.record.as_ref().map_or(0, |record| record.updates);
    let of_layer = |trace: &LayerSeries| {
        let stride = trace.updates.len().div_ceil(MOST_POINTS).max(1);
        let last = trace.updates.last().copied().unwrap_or(0).max(updates).max(1) as f64;
        let points = trace.updates.iter().zip(&trace.learning_rates).step_by(stride);
        Trajectory {
            arm: run.arm.clone(),
            seed: run.seed,
            layer: trace.layer.clone(),
            points: points.map(|(update, rate)| (*update as f64 / last, *rate)).collect(),
        }
    };
    run.traces.iter().map(of_layer).collect()
}
