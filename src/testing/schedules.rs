//! Schedules by their names, and the rates that they set.

use serde_json::{Value, json};

use crate::schedule::{Progress, RunFacts, Schedule, ScheduleError, Start};

/// The base rate.
pub(crate) const BASE: f64 = 1e-3;
/// Updates of the run that it is resolved for.
pub(crate) const UPDATES: u64 = 30;

/// A schedule of the two layers `fc1` and `fc2` with options of its own.
pub(crate) fn schedule(name: &str, own: Value) -> Result<Box<dyn Schedule>, ScheduleError> {
    let layers = ["fc1", "fc2"].map(String::from);
    let facts = RunFacts { learning_rate: BASE, layers: &layers, updates: UPDATES, ..RunFacts::default() };
    let resolved = (crate::schedule::schedule(name).unwrap().resolve)(&json!({}), &own, facts)?;
    Ok((resolved.factory)(Start { learning_rate: BASE, layers: 2 }))
}

/// Where an update stands in a run of tasks of equal length.
pub(crate) fn at(update: u64, tasks: u64, updates_in_task: u64) -> Progress {
    Progress::in_tasks(update, tasks, updates_in_task)
}

/// The rate of every update of a run, the same for both layers.
pub(crate) fn rates(name: &str, own: Value, tasks: u64, updates_in_task: u64) -> Vec<f64> {
    let mut schedule = schedule(name, own).unwrap();
    let rate = |update| {
        schedule.begin_update(at(update, tasks, updates_in_task));
        let rates = schedule.learning_rates();
        assert!(rates.len() == 2 && rates[0] == rates[1]);
        rates[0]
    };
    (0..tasks * updates_in_task).map(rate).collect()
}
