//! How much of the Hessian a new task finds curved at all.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct HessianEpsilonRank;

/// epsilon, the default of the authors' own analysis.
const EPSILON: f64 = 0.1;

impl Indicator for HessianEpsilonRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "hessian_epsilon_rank",
            title: "Hessian epsilon-rank",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "share of the eigenvalues of the Hessian of the total loss over all parameters whose magnitude exceeds epsilon = 0.1, by stochastic Lanczos quadrature on the probe batch at the start of the task, after relabelling (Prakash et al., arXiv 2509.22335); undefined unless `measure.spectrum` asks for it, since it is dear",
        }
    }

    fn when(&self) -> When {
        When::TaskStart
    }

    fn measure(&self, observation: &Observation, generator: &mut ChaCha8Rng) -> Option<f64> {
        observation.hessian_spectrum(generator)?.share_beyond(EPSILON)
    }
}
