//! The rate falls along a straight line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::OptionError;

use super::decay::{self, Decay, Restart};
use super::definition::{Progress, ScheduleKind, check_rules};

/// `linear`.
pub(super) const KIND: ScheduleKind = decay::kind::<Linear>("the base learning rate, falling along a straight line");

/// Its options: base * (1 - (1 - end_factor) s), s being the share of the run, or of the task, that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Linear {
    /// The base rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The share of the base rate that is left at the end.
    pub end_factor: f64,
    /// Whether the decay begins anew with each task.
    pub restart: Restart,
}

impl Default for Linear {
    fn default() -> Self {
        Linear { learning_rate: None, end_factor: 0.1, restart: Restart::Never }
    }
}

impl Decay for Linear {
    const NAME: &'static str = "linear";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        check_rules(&[decay::end_rule(self.end_factor)])
    }

    fn factor(&self, progress: Progress) -> f64 {
        decay::line(self.end_factor, self.restart.share(progress))
    }
}
