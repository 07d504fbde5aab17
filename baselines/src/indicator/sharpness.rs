//! Largest eigenvalue of the whole Hessian.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, When};
use super::observation::Observation;
use trainability_tensor::lanczos::{Ends, extreme_eigenvalues};

/// See the definition.
pub(crate) struct Sharpness;

impl Indicator for Sharpness {
    fn definition(&self) -> Definition {
        Definition {
            name: "sharpness",
            title: "sharpness",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::High),
            text: "largest eigenvalue of the Hessian of the total loss over all parameters, by Lanczos on the probe batch at the end of the task; undefined where it did not converge",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, generator: &mut ChaCha8Rng) -> Option<f64> {
        let found = extreme_eigenvalues(observation.hessian?, Ends::Largest, observation.lanczos, generator);
        found.converged.then_some(found.largest.value)
    }
}
