//! L2 norm of the minibatch gradient.

use rand_chacha::ChaCha8Rng;

use super::{Definition, Indicator, Observation, Role, When};

/// See the definition.
pub struct GradientNorm;

impl Indicator for GradientNorm {
    fn definition(&self) -> Definition {
        Definition {
            name: "gradient_norm",
            title: "gradient norm",
            role: Role::Rejected,
            text: "L2 norm of the gradient of the total loss, mean over the measured updates of the task",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        observation.gradient_sq_norm.map(f64::sqrt)
    }
}
