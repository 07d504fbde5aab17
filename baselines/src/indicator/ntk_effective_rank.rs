//! How many directions the network's outputs can move in.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::effective_rank::exponential_entropy;
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct NtkEffectiveRank;

impl Indicator for NtkEffectiveRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "ntk_effective_rank",
            title: "NTK effective rank",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "exponential of the entropy of the normalised eigenvalues of the empirical neural tangent kernel (Jacot et al., arXiv 1806.07572; its diagonal blocks averaged over classes) on at most 100 images of the probe batch, at the end of the task; undefined where single samples have no gradient",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        exponential_entropy(&observation.kernel_spectrum(..)?)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for NtkEffectiveRank {
    /// Of the kernel that the layer's parameters alone would give.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        exponential_entropy(&observation.kernel_spectrum(index..=index)?)
    }
}
