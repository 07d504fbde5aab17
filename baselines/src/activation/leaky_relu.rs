//! Leaky rectified linear units, z where it is positive and a share of it elsewhere (Maas et al., 2013).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `leaky_relu`: negative pre-activations pass on a share of themselves.
pub(crate) const PART: Part =
    Part::of::<LeakyReluOptions>("leaky_relu", "leaky ReLU, negative values pass with a slope");

/// `slope`: by default 0.01.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LeakyReluOptions {
    /// The share of a negative pre-activation that is passed on.
    pub slope: f64,
}

impl Default for LeakyReluOptions {
    fn default() -> Self {
        LeakyReluOptions { slope: 0.01 }
    }
}

impl PartOptions for LeakyReluOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        if !(self.slope > 0.0 && self.slope < 1.0) {
            let expected = "above 0 and below 1 (relu is 0, identity is 1)";
            return Err(OptionError::new("slope", self.slope, expected));
        }
        Ok(Contribution::Activation(Box::new(LeakyRelu { slope: self.slope }), Widths::AsGiven))
    }
}

/// max(z, 0) + slope min(z, 0).
#[derive(Clone, Copy, Debug)]
pub struct LeakyRelu {
    /// The share of a negative pre-activation that is passed on.
    pub slope: f64,
}

impl Activation for LeakyRelu {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn features(&self, units: i64) -> i64 {
        units
    }

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
