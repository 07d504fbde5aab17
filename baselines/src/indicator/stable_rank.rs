//! How many directions hold nearly all of the hidden activations.

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct StableRank;

/// The share of the spectrum that has to be reached.
const MASS: f64 = 0.99;

impl Indicator for StableRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "stable_rank",
            title: "stable rank (99 %)",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "smallest number of leading singular values of the hidden activations on the probe batch that reach 99 % of their sum (the srank of Kumar et al., arXiv 2010.14498, not the ratio of squared Frobenius and spectral norms that also goes by this name), mean over hidden layers (in a convolution the activations of all positions are one row)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for StableRank {
    /// Undefined for a matrix of zeros.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let values = observation.singular_values(index)?;
        let total: f64 = values.iter().sum();
        let sums = values.iter().scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        });
        (total > 0.0).then(|| (sums.take_while(|sum| *sum < MASS * total).count() + 1) as f64)
    }
}
