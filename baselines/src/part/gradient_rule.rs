//! Gradient rules: what becomes of the gradient of the total loss, penalties included, before the optimizer takes it.
//!
//! A measured update sees the gradient before its rule: g_hat is the gradient of the loss, not the optimizer's input.
//! The optimizer's moments, and the effective step that is made of them, are of what the rule passes on. A weight decay
//! that is coupled to the optimizer (`l2_adam`) joins after the rule.

use std::fmt::Debug;

use trainability_tensor::Gradients;

/// A function of the whole gradient, without memory.
pub trait GradientRule: Debug + Send {
    /// Changes the gradient in place.
    fn apply(&self, gradients: &mut Gradients);
}
