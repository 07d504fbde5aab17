//! The rate falls by the same share at every update.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::OptionError;

use super::decay::{self, Decay, Restart};
use super::definition::{Progress, ScheduleKind, check_rules};

/// `exponential`.
pub(super) const KIND: ScheduleKind =
    decay::kind::<Exponential>("the base learning rate, falling by the same share every update");

/// Its options: base * end_factor^s, s being the share of the run, or of the task, that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Exponential {
    /// The base rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The share of the base rate that is left at the end.
    pub end_factor: f64,
    /// Whether the decay begins anew with each task.
    pub restart: Restart,
}

impl Default for Exponential {
    fn default() -> Self {
        Exponential { learning_rate: None, end_factor: 0.1, restart: Restart::Never }
    }
}

impl Decay for Exponential {
    const NAME: &'static str = "exponential";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        let inside = self.end_factor > 0.0 && self.end_factor < 1.0;
        check_rules(&[("end_factor", self.end_factor, inside, "between 0 and 1, both excluded")])
    }

    fn factor(&self, progress: Progress) -> f64 {
        self.end_factor.powf(self.restart.share(progress)).max(self.end_factor)
    }
}
