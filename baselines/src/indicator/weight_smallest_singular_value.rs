//! What the weights shrink most.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct WeightSmallestSingularValue;

impl Indicator for WeightSmallestSingularValue {
    fn definition(&self) -> Definition {
        Definition {
            name: "weight_smallest_singular_value",
            title: "smallest singular value",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "smallest singular value of a layer's weight matrix (what Parseval regularisation keeps up, Chung et al., arXiv 2412.07224), mean over layers, at the end of the task (a convolution's matrix is channels x everything else)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        self.mean_over_matrices(observation)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for WeightSmallestSingularValue {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        observation.weight_singular_values(index)?.last().copied()
    }
}
