//! The rate falls by a factor at some points of the run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::{OptionError, check};

use super::decay::{self, Decay};
use super::definition::{Progress, ScheduleKind};

/// `step`.
pub(super) const KIND: ScheduleKind =
    decay::kind::<Step>("the base learning rate, falling by a factor at some points of the run");

/// Its options: base * factor^k, k being the number of steps that lie behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Step {
    /// The base rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The factor on the rate at each step.
    pub factor: f64,
    /// The shares of the run after which the rate steps down, ascending; 0.25, 0.5 and 0.75 if neither this nor
    /// `every_tasks` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<f64>>,
    /// The rate steps down after every so many tasks, in place of milestones. This uses the task boundary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_tasks: Option<u64>,
}

/// Quarters of the run.
const MILESTONES: [f64; 3] = [0.25, 0.5, 0.75];

impl Default for Step {
    fn default() -> Self {
        Step { learning_rate: None, factor: 0.5, milestones: None, every_tasks: None }
    }
}

impl Decay for Step {
    const NAME: &'static str = "step";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        let inside = |value: f64| value > 0.0 && value < 1.0;
        check("factor", self.factor, inside(self.factor), "between 0 and 1, both excluded")?;
        if let Some(tasks) = self.every_tasks {
            let expected = "to be left out where `milestones` is given";
            check("every_tasks", tasks, self.milestones.is_none(), expected)?;
            check("every_tasks", tasks, tasks > 0, "at least 1")?;
        }
        let Some(shares) = &self.milestones else { return Ok(()) };
        let ascend = !shares.is_empty() && shares.windows(2).all(|pair| pair[0] < pair[1]);
        let expected = "at least one share of the run, ascending, between 0 and 1, both excluded";
        check("milestones", format!("{shares:?}"), ascend && shares.iter().all(|&share| inside(share)), expected)
    }

    fn factor(&self, progress: Progress) -> f64 {
        let steps = match self.every_tasks {
            Some(tasks) => progress.task / tasks,
            None => {
                let share = progress.update as f64 / progress.updates as f64;
                let milestones = self.milestones.as_deref().unwrap_or(&MILESTONES);
                milestones.iter().filter(|&&milestone| share >= milestone).count() as u64
            }
        };
        self.factor.powf(steps as f64)
    }
}
