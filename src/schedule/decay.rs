//! What plain schedules share: a factor on the base rate that follows from the clock alone, the same for every layer.

use std::fmt::Debug;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use trainability_baselines::options::{OptionError, check, check_positive};
use trainability_tensor::{State, StateError, Stateful};

use super::controller::ControlOptions;
use super::definition::{Progress, Resolved, RunFacts, Schedule, ScheduleError, ScheduleKind, Start};

/// The options of a plain schedule: plain data with defaults, which give the factor at every update.
pub(super) trait Decay:
    Clone + Debug + Default + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// The schedule's name in the registry.
    const NAME: &'static str;

    /// The base rate of this schedule, if it has one of its own.
    fn learning_rate(&self) -> Option<f64>;

    /// Checks the values.
    ///
    /// # Errors
    /// A value out of range.
    fn check(&self) -> Result<(), OptionError> {
        Ok(())
    }

    /// The factor on the base rate at an update, above 0 and at most 1.
    fn factor(&self, progress: Progress) -> f64;
}

/// Whether a schedule begins anew with each task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Restart {
    /// One decay over the whole run.
    #[default]
    Never,
    /// One decay in each task, from the base rate on. This uses the task boundary.
    Task,
}

impl Restart {
    /// The share of the span that lies before an update: 0 at its first update, below 1 at its last.
    pub(super) fn share(self, progress: Progress) -> f64 {
        match self {
            Restart::Never => progress.update as f64 / progress.updates as f64,
            Restart::Task => progress.update_in_task as f64 / progress.updates_in_task as f64,
        }
    }
}

/// A straight line from 1 at share 0 to `end` at share 1, never below the end by a rounding error.
pub(super) fn line(end: f64, share: f64) -> f64 {
    (1.0 - (1.0 - end) * share).max(end)
}

/// Refuses an end that the rate may not reach in the limit; it may reach 0.
pub(super) fn check_end(end_factor: f64) -> Result<(), OptionError> {
    check("end_factor", end_factor, (0.0..1.0).contains(&end_factor), "at least 0 and below 1")
}

/// The options of a rate that falls all the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fall {
    /// The base rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The share of the base rate that is left at the end.
    pub end_factor: f64,
    /// Whether the decay begins anew with each task.
    pub restart: Restart,
}

impl Default for Fall {
    fn default() -> Self {
        Fall { learning_rate: None, end_factor: 0.1, restart: Restart::Never }
    }
}

/// A plain schedule as a configuration names it.
pub(super) const fn kind<D: Decay>(about: &'static str) -> ScheduleKind {
    ScheduleKind {
        name: D::NAME,
        about,
        needs_measurement: false,
        schema: || schemars::schema_for!(D).to_value(),
        resolve: resolve::<D>,
    }
}

/// Of the `control` section only the bounds matter: they are recorded, not acted on.
fn resolve<D: Decay>(control: &Value, own: &Value, _: RunFacts) -> Result<Resolved, ScheduleError> {
    let options: D = serde_json::from_value(own.clone())?;
    options.learning_rate().map_or(Ok(()), |rate| check_positive("learning_rate", rate))?;
    options.check()?;
    let bounds = ControlOptions::layered(&[control])?.bounds();
    let mut record = json!({ "name": D::NAME, "bounds": bounds });
    if let (Value::Object(record), Value::Object(used)) = (&mut record, serde_json::to_value(&options)?) {
        record.extend(used);
    }
    Ok(Resolved {
        options: record,
        bounds,
        factory: Arc::new(move |start| Box::new(Plain::new(options.clone(), start))),
    })
}

/// A plain schedule at work.
#[derive(Debug)]
pub(super) struct Plain<D> {
    options: D,
    base: f64,
    learning_rates: Vec<f64>,
}

impl<D: Decay> Plain<D> {
    /// The options' own base rate, or else the run's, for each layer.
    pub(super) fn new(options: D, start: Start) -> Plain<D> {
        let base = options.learning_rate().unwrap_or(start.learning_rate);
        Plain { options, base, learning_rates: vec![base; start.layers] }
    }
}

impl<D: Decay> Schedule for Plain<D> {
    fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    fn begin_update(&mut self, progress: Progress) {
        self.learning_rates.fill(self.base * self.options.factor(progress));
    }
}

impl<D: Decay> Stateful for Plain<D> {
    fn save(&self, state: &mut State) {
        state.put_numbers("learning_rates", &self.learning_rates);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("learning_rates", &mut self.learning_rates)
    }
}
