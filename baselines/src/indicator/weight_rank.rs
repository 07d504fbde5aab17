//! How many directions the weights let through.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct WeightRank;

/// The share of the largest singular value above which one counts.
const THRESHOLD: f64 = 0.01;

impl Indicator for WeightRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "weight_rank",
            title: "weight rank (1 %)",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "share of the singular values of a layer's weight matrix that exceed 1 % of the largest: its numerical rank over the highest that is possible (a rank as in Elsayed and Mahmood, arXiv 2404.00781, whose threshold is rounding), mean over layers, at the end of the task (a convolution's matrix is channels x everything else)",
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

impl Layerwise for WeightRank {
    /// 0 of a matrix of zeros.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let values = observation.weight_singular_values(index)?;
        let above = values.iter().filter(|value| **value > THRESHOLD * values[0]).count();
        Some(above as f64 / values.len() as f64)
    }
}
