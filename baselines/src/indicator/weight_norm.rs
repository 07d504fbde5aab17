//! Mean absolute parameter.

use rand_chacha::ChaCha8Rng;
use tch::Kind;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;
use trainability_tensor::layer::{Layer, tensors};

/// See the definition.
pub(crate) struct WeightNorm;

impl Indicator for WeightNorm {
    fn definition(&self) -> Definition {
        Definition {
            name: "weight_norm",
            title: "weight norm",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::High),
            text: "mean absolute value of all parameters, biases included, at the end of the task",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        mean_magnitude(observation.layers)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for WeightNorm {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        mean_magnitude(observation.layers.get(index..=index)?)
    }
}

fn mean_magnitude(layers: &[Layer]) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for tensor in tensors(layers) {
        sum += tensor.detach().abs().sum(Kind::Double).double_value(&[]);
        count += tensor.numel();
    }
    (count > 0).then(|| sum / count as f64)
}
