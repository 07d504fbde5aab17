//! How much of a minibatch's loss an update takes away.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct SamplePlasticity;

/// A smaller loss counts as this.
const LEAST_LOSS: f64 = 1e-8;

impl Indicator for SamplePlasticity {
    fn definition(&self) -> Definition {
        Definition {
            name: "sample_plasticity",
            title: "sample plasticity",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "share of the minibatch's mean cross-entropy that the update on it takes away, 1 - after / before, at least 0 and at most 1 (the plasticity on a sample of Elsayed and Mahmood, arXiv 2404.00781), mean over the measured updates of the task",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    /// Undefined where the loss afterwards is not a number.
    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let [before, after] = observation.losses?;
        let taken = 1.0 - after / before.max(LEAST_LOSS);
        (!taken.is_nan()).then(|| taken.clamp(0.0, 1.0))
    }
}
