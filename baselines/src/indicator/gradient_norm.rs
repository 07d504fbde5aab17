//! L2 norm of the minibatch gradient.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct GradientNorm;

impl Indicator for GradientNorm {
    fn definition(&self) -> Definition {
        Definition {
            name: "gradient_norm",
            title: "gradient norm",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::Low),
            text: "L2 norm of the minibatch gradient of the total loss over all parameters, mean over the measured updates of the task",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        Some(observation.gradients?.iter().map(|layer| layer.sq_norm).sum::<f64>().sqrt())
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for GradientNorm {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        observation.gradients?.get(index).map(|layer| layer.sq_norm.sqrt())
    }
}
