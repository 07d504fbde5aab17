//! Gradient rules, one a file.

use trainability_tensor::Gradients;
use trainability_tensor::slices::sum_of_squares;

pub mod clipping;
pub mod normalization;

pub use crate::part::gradient_rule::GradientRule;

/// The L2 norm over all parameters of all layers.
pub fn global_norm(gradients: &Gradients) -> f64 {
    gradients.iter().flatten().map(sum_of_squares).sum::<f64>().sqrt()
}

/// Multiplies every element.
pub(crate) fn scale(gradients: &mut Gradients, factor: f64) {
    for gradient in gradients.iter_mut().flatten() {
        let _ = gradient.g_mul_scalar_(factor);
    }
}
