//! The rate falls by the same share at every update.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::{OptionError, check};

use super::decay::{self, Decay, Fall};
use super::definition::{Progress, ScheduleKind};

/// `exponential`.
pub(super) const KIND: ScheduleKind =
    decay::kind::<Exponential>("the base learning rate, falling by the same share every update");

/// Its options: base * end_factor^s, s being the share of the run, or of the task, that is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Exponential(Fall);

impl Decay for Exponential {
    const NAME: &'static str = "exponential";

    fn learning_rate(&self) -> Option<f64> {
        self.0.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        let end = self.0.end_factor;
        check("end_factor", end, end > 0.0 && end < 1.0, "between 0 and 1, both excluded")
    }

    fn factor(&self, progress: Progress) -> f64 {
        self.0.end_factor.powf(self.0.restart.share(progress)).max(self.0.end_factor)
    }
}
