//! The rate rises, stays, and falls: a trapezoid (Hu et al., arXiv 2404.06395).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::options::{OptionError, check};

use super::decay::{self, Decay, Restart};
use super::definition::{Progress, ScheduleKind};

/// `warmup_stable_decay`.
pub(super) const KIND: ScheduleKind =
    decay::kind::<WarmupStableDecay>("a linear rise to the base learning rate, a plateau, and a linear fall");

/// Its options. The plateau covers the share of the run, or of the task, that rise and fall leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WarmupStableDecay {
    /// The base rate, which is that of the plateau, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// The share of the base rate at the first update.
    pub start_factor: f64,
    /// The share of the run in which the rate rises; 0: none.
    pub warmup_share: f64,
    /// The share of the run in which the rate falls; 0: none.
    pub decay_share: f64,
    /// The share of the base rate that is left at the end.
    pub end_factor: f64,
    /// Whether the decay begins anew with each task.
    pub restart: Restart,
}

impl Default for WarmupStableDecay {
    fn default() -> Self {
        WarmupStableDecay {
            learning_rate: None,
            start_factor: 0.1,
            warmup_share: 0.05,
            decay_share: 0.2,
            end_factor: 0.1,
            restart: Restart::Never,
        }
    }
}

impl Decay for WarmupStableDecay {
    const NAME: &'static str = "warmup_stable_decay";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn check(&self) -> Result<(), OptionError> {
        let (rise, fall) = (self.warmup_share, self.decay_share);
        let start = self.start_factor > 0.0 && self.start_factor < 1.0;
        // The sum of shares such as 0.7 and 0.3 may be off by a rounding error.
        let room = (0.0..=1.0).contains(&fall) && rise + fall <= 1.0 + f64::EPSILON;
        check("start_factor", self.start_factor, start, "between 0 and 1, both excluded")?;
        check("warmup_share", rise, (0.0..=1.0).contains(&rise), "from 0 to 1")?;
        check("decay_share", fall, room, "at least 0, and at most what `warmup_share` leaves of 1")?;
        let expected = "above 0 where `warmup_share` is 0: nothing would change the rate";
        check("decay_share", fall, rise + fall > 0.0, expected)?;
        decay::check_end(self.end_factor)
    }

    fn factor(&self, progress: Progress) -> f64 {
        let share = self.restart.share(progress);
        if share < self.warmup_share {
            let risen = share / self.warmup_share;
            return self.start_factor + (1.0 - self.start_factor) * risen;
        }
        let left = (1.0 - share) / self.decay_share;
        if left < 1.0 { decay::line(self.end_factor, 1.0 - left) } else { 1.0 }
    }
}
