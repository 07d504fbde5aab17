//! The rate falls along a straight line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::OptionError;

use super::decay::{self, Decay, Fall};
use super::definition::{Progress, ScheduleKind};

/// `linear`.
pub(super) const KIND: ScheduleKind = decay::kind::<Linear>("the base learning rate, falling along a straight line");

/// Its options: base * (1 - (1 - end_factor) s), s being the share of the run, or of the task, that is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Linear(Fall);

impl Decay for Linear {
    const NAME: &'static str = "linear";

    fn learning_rate(&self) -> Option<f64> {
        self.0.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        decay::check_end(self.0.end_factor)
    }

    fn factor(&self, progress: Progress) -> f64 {
        decay::line(self.0.end_factor, self.0.restart.share(progress))
    }
}
