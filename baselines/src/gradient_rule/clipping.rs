//! Clipping by the global norm (Pascanu et al., arXiv 1211.5063): a gradient that is too long is shortened as a whole,
//! and keeps its direction.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GradientRule, global_norm, scale};
use crate::options::{OptionError, check_positive};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::Gradients;

/// `gradient_clipping`: the gradient's norm is at most `max_norm`.
pub(crate) const PART: Part =
    Part::of::<Clipping>("gradient_clipping", "a gradient longer than max_norm is shortened to it");

/// g min(1, max_norm / |g|).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Clipping {
    /// The largest L2 norm of the gradient over all parameters of the network.
    pub max_norm: f64,
}

impl Default for Clipping {
    fn default() -> Self {
        Clipping { max_norm: 1.0 }
    }
}

impl PartOptions for Clipping {
    fn build(self) -> Result<Contribution, OptionError> {
        check_positive("max_norm", self.max_norm)?;
        Ok(Contribution::GradientRule(Box::new(self)))
    }
}

impl GradientRule for Clipping {
    fn apply(&self, gradients: &mut Gradients) {
        let norm = global_norm(gradients);
        if norm > self.max_norm {
            scale(gradients, self.max_norm / norm);
        }
    }
}
