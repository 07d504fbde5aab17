//! Mean absolute update over mean absolute parameter.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct UpdateToWeight;

impl Indicator for UpdateToWeight {
    fn definition(&self) -> Definition {
        Definition {
            name: "update_to_weight",
            title: "update-to-weight ratio",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::Low),
            text: "mean absolute update over mean absolute parameter, mean over the measured updates of the task",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let update = observation.update?;
        (update.mean_absolute_weight > 0.0).then(|| update.mean_absolute_update / update.mean_absolute_weight)
    }
}
