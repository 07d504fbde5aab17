//! The rate falls along half a cosine (Loshchilov and Hutter, arXiv 1608.03983), once or once a task.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::OptionError;

use super::decay::{self, Decay, Restart};
use super::definition::{Progress, ScheduleKind, check_rules};

/// `cosine`.
pub(super) const KIND: ScheduleKind = decay::kind::<Cosine>("the base learning rate, falling along half a cosine");

/// Its options: base * (end_factor + (1 - end_factor) (1 + cos(pi s)) / 2), s being the share of the run, or of the
/// task, that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Cosine {
    /// The base rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The share of the base rate that is left at the end.
    pub end_factor: f64,
    /// Whether the decay begins anew with each task.
    pub restart: Restart,
}

impl Default for Cosine {
    fn default() -> Self {
        Cosine { learning_rate: None, end_factor: 0.1, restart: Restart::Never }
    }
}

impl Decay for Cosine {
    const NAME: &'static str = "cosine";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        check_rules(&[decay::end_rule(self.end_factor)])
    }

    fn factor(&self, progress: Progress) -> f64 {
        decay::line(self.end_factor, (1.0 - (PI * self.restart.share(progress)).cos()) / 2.0)
    }
}
