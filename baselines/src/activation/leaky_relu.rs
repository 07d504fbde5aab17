//! Leaky rectified linear units, z where it is positive and a share of it elsewhere (Maas et al., 2013).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};

/// `leaky_relu`: negative pre-activations pass on a share of themselves.
pub(crate) const PART: Part = Part::of::<LeakyRelu>("leaky_relu", "leaky ReLU, negative values pass with a slope");

/// max(z, 0) + slope min(z, 0).
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LeakyRelu {
    /// The share of a negative pre-activation that is passed on.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        LeakyRelu { slope: 0.01 }
    }
}

impl PartOptions for LeakyRelu {
    fn build(self) -> Result<Contribution, OptionError> {
        let inside = self.slope > 0.0 && self.slope < 1.0;
        check("slope", self.slope, inside, "above 0 and below 1 (relu is 0, identity is 1)")?;
        Ok(Contribution::Activation(Box::new(self), Widths::AsGiven))
    }
}

impl Activation for LeakyRelu {
    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        // tch's own leaky_relu knows no slope but 0.01. At 0 the derivative of this form is the slope, as in `pull_back`.
        pre_activation * self.slope + pre_activation.relu() * (1.0 - self.slope)
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        gradient * self.slope + pre_activation.threshold_backward(&(gradient * (1.0 - self.slope)), 0.0)
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
