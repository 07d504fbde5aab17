//! Mean absolute update.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct UpdateNorm;

impl Indicator for UpdateNorm {
    fn definition(&self) -> Definition {
        Definition {
            name: "update_norm",
            title: "update norm",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::Low),
            text: "mean absolute change of a parameter by an update, mean over the measured updates of the task",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        observation.update.map(|update| update.mean_absolute_update)
    }
}
