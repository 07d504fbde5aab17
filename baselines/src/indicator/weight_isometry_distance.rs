//! How far the weights are from keeping all lengths.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct WeightIsometryDistance;

impl Indicator for WeightIsometryDistance {
    fn definition(&self) -> Definition {
        Definition {
            name: "weight_isometry_distance",
            title: "distance from isometry",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "distance of a layer's weight matrix W from an isometry, |W W^T - I| / sqrt(r) in the Frobenius norm with r its shorter side, on which the product is taken, so that width does not matter (arXiv 2412.07224, 2606.09762), mean over layers, at the end of the task (a convolution's matrix is channels x everything else)",
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

impl Layerwise for WeightIsometryDistance {
    /// W W^T - I has the eigenvalues s^2 - 1, s being the singular values.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let values = observation.weight_singular_values(index)?;
        let squares = values.iter().map(|value| (value * value - 1.0).powi(2));
        Some((squares.sum::<f64>() / values.len() as f64).sqrt())
    }
}
