//! A schedule chosen for a learner of one's own, outside of an experiment.

use serde_json::{Map, Value};
use trainability_baselines::options::OptionError;

use super::definition::{Resolved, RunFacts, ScheduleError};
use super::registry::{SCHEDULES, schedule};

/// A schedule of the registry with its options, under the names and with the defaults that experiments have.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleChoice {
    name: String,
    options: Map<String, Value>,
}

impl From<&str> for ScheduleChoice {
    fn from(name: &str) -> ScheduleChoice {
        ScheduleChoice { name: name.to_owned(), options: Map::new() }
    }
}

impl ScheduleChoice {
    /// The same with this value for an option: `with("cool", 0.95)`.
    pub fn with(mut self, option: &str, value: impl Into<Value>) -> ScheduleChoice {
        self.options.insert(option.to_owned(), value.into());
        self
    }

    /// Resolves it for that base rate and, where it is known, that number of updates.
    ///
    /// # Errors
    /// An unknown schedule, unknown options, values of the wrong type or out of range; a schedule by the clock whose run has no
    /// known length.
    pub(crate) fn resolve(&self, learning_rate: f64, updates: Option<u64>) -> Result<Resolved, ScheduleError> {
        let unknown = || {
            let known: Vec<&str> = SCHEDULES.iter().map(|kind| kind.name).collect();
            OptionError::new("schedule", format!("{:?}", self.name), &format!("one of {}", known.join(", ")))
        };
        let kind = schedule(&self.name).ok_or_else(unknown)?;
        if !kind.needs_measurement && kind.name != SCHEDULES[0].name && updates.is_none() {
            let expected =
                "a schedule that does not go by the clock, or the number of updates (`LearnerBuilder::tasks`)";
            return Err(OptionError::new("schedule", format!("{:?}", self.name), expected).into());
        }
        let facts = RunFacts { learning_rate, updates: updates.unwrap_or_default(), ..RunFacts::default() };
        (kind.resolve)(&Value::Null, &self.options.clone().into(), facts)
    }
}

/// The presets of the paper's schedule (docs/method.md, section 4); any of its options can be set by [`ScheduleChoice::with`].
#[derive(Clone, Copy, Debug)]
pub struct NoiseCurvature;

impl NoiseCurvature {
    /// X = Vol, beta = 1 and the plug-in noise bound.
    pub fn paper() -> ScheduleChoice {
        "paper".into()
    }

    /// As the runs behind the paper's figures had it for L2: beta = 20 and X = lambda_bar.
    pub fn as_run() -> ScheduleChoice {
        "as_run".into()
    }

    /// X = Vol, beta = 1, and the batch's own noise taken off the noise bound.
    pub fn debiased() -> ScheduleChoice {
        "debiased".into()
    }
}
