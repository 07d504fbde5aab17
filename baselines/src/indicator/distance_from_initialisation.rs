//! How far training has led the parameters away.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;
use trainability_tensor::layer::{Layer, tensors};

/// See the definition.
pub(crate) struct DistanceFromInitialisation;

impl Indicator for DistanceFromInitialisation {
    fn definition(&self) -> Definition {
        Definition {
            name: "distance_from_initialisation",
            title: "distance from initialisation",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "L2 distance of all parameters from those with which training began, or began anew after a reset, over the L2 norm of the latter, at the end of the task (the distance that Kumar et al. keep short, arXiv 2308.11958)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        distance(observation.layers, observation.initial?)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for DistanceFromInitialisation {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        distance(observation.layers.get(index..=index)?, observation.initial?.get(index..=index)?)
    }
}

/// Differences and squares are taken and summed in f64. Undefined where training began with zeros.
fn distance(layers: &[Layer], initial: &[Layer]) -> Option<f64> {
    let double = |tensor: &Tensor| tensor.detach().to_kind(Kind::Double);
    let square = |tensor: Tensor| tensor.square().sum(Kind::Double).double_value(&[]);
    let change = tensors(layers).zip(tensors(initial)).map(|(now, then)| square(double(now) - double(then)));
    let (change, size) = (change.sum::<f64>(), tensors(initial).map(|then| square(double(then))).sum::<f64>());
    (size > 0.0).then(|| (change / size).sqrt())
}
