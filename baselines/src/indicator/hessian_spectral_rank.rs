//! The share of the Hessian's eigenvalues that matter.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct HessianSpectralRank;

/// The share of the largest magnitude above which an eigenvalue counts.
const THRESHOLD: f64 = 0.01;

impl Indicator for HessianSpectralRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "hessian_spectral_rank",
            title: "Hessian rank (spectral)",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "share of the eigenvalues of the Hessian of the total loss over all parameters whose magnitude exceeds 1 % of the largest, by stochastic Lanczos quadrature (Ghorbani et al., arXiv 1901.10159) on the probe batch at the end of the task; undefined unless `measure.spectrum` asks for it, since it is dear",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, generator: &mut ChaCha8Rng) -> Option<f64> {
        observation.hessian_spectrum(generator)?.share_above(THRESHOLD)
    }
}
