//! Clipping by the global norm (Pascanu et al., arXiv 1211.5063): a gradient that is too long is shortened as a whole,
//! and keeps its direction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GradientRule, global_norm, scale};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::Gradients;

/// `gradient_clipping`: the gradient's norm is at most `max_norm`.
pub(crate) const PART: Part =
    Part::of::<ClippingOptions>("gradient_clipping", "a gradient longer than max_norm is shortened to it");

/// Options of `gradient_clipping`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClippingOptions {
    /// The largest L2 norm of the gradient over all parameters of the network.
    pub max_norm: f64,
}

impl Default for ClippingOptions {
    fn default() -> Self {
        ClippingOptions { max_norm: 1.0 }
    }
}

impl PartOptions for ClippingOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        if self.max_norm.is_finite() && self.max_norm > 0.0 {
            return Ok(Contribution::GradientRule(Box::new(Clipping { max_norm: self.max_norm })));
        }
        Err(OptionError::new("max_norm", self.max_norm, "a finite number above 0"))
    }
}

/// g min(1, max_norm / |g|).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clipping {
    max_norm: f64,
}

impl GradientRule for Clipping {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn apply(&self, gradients: &mut Gradients) {
        let norm = global_norm(gradients);
        if norm > self.max_norm {
            scale(gradients, self.max_norm / norm);
        }
    }
}
