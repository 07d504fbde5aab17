//! The rate falls along half a cosine (Loshchilov and Hutter, arXiv 1608.03983), once or once a task.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::OptionError;

use super::decay::{self, Decay, Fall};
use super::definition::{Progress, ScheduleKind};

/// `cosine`.
pub(super) const KIND: ScheduleKind = decay::kind::<Cosine>("the base learning rate, falling along half a cosine");

/// Its options: base * (end_factor + (1 - end_factor) (1 + cos(pi s)) / 2), s being the share of the run, or of the
/// task, that is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Cosine(Fall);

impl Decay for Cosine {
    const NAME: &'static str = "cosine";

    fn learning_rate(&self) -> Option<f64> {
        self.0.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        decay::check_end(self.0.end_factor)
    }

    fn factor(&self, progress: Progress) -> f64 {
        decay::line(self.0.end_factor, (1.0 - (PI * self.0.restart.share(progress)).cos()) / 2.0)
    }
}
