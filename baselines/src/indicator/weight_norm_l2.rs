//! L2 norm of the parameters.

use rand_chacha::ChaCha8Rng;
use tch::Kind;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;
use trainability_tensor::layer::{Layer, tensors};

/// See the definition.
pub(crate) struct WeightNormL2;

impl Indicator for WeightNormL2 {
    fn definition(&self) -> Definition {
        Definition {
            name: "weight_norm_l2",
            title: "weight norm (L2)",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "L2 norm of all parameters as one vector, biases included, at the end of the task",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        norm(observation.layers)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for WeightNormL2 {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        norm(observation.layers.get(index..=index)?)
    }
}

/// Squares are taken and summed in f64.
fn norm(layers: &[Layer]) -> Option<f64> {
    let square = |t: &tch::Tensor| t.detach().to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[]);
    (!layers.is_empty()).then(|| tensors(layers).map(square).sum::<f64>().sqrt())
}
