//! The normalised gradient (NSGD; Cutkosky and Mehta, arXiv 2002.03305): every update's gradient has the same length,
//! and only its direction is left.
//!
//! Adam divides by its own second moment, so that a constant factor hardly matters; what the rule changes is the weight
//! of updates in the moments, where a minibatch with a short gradient now counts as much as one with a long gradient.

use super::{GradientRule, global_norm, scale};
use crate::part::{Contribution, Part};
use trainability_tensor::layer::Gradients;

/// `gradient_normalization`: the gradient divided by its norm.
pub(crate) const PART: Part = Part::without_options(
    "gradient_normalization",
    "the gradient of the whole network divided by its norm, before the moments",
    || Contribution::GradientRule(Box::new(GradientNormalization)),
);

/// g / |g| with the L2 norm over all parameters of the network; a gradient of zeros stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GradientNormalization;

impl GradientRule for GradientNormalization {
    fn apply(&self, gradients: &mut Gradients) {
        let norm = global_norm(gradients);
        if norm > 0.0 {
            scale(gradients, norm.recip());
        }
    }
}
