//! What the probe looks at.

use tch::Tensor;
use trainability_baselines::penalty::Penalty;
use trainability_tensor::{Gradients, LayerDelta, LayerTrace};

use crate::model::Model;
use crate::optimizer::Optimizer;

/// One update between its backward pass and its optimizer step.
#[derive(Clone, Copy)]
pub struct UpdateView<'a> {
    /// The network.
    pub model: &'a dyn Model,
    /// The minibatch, B x inputs.
    pub inputs: &'a Tensor,
    /// The minibatch's labels, B, Int64.
    pub labels: &'a Tensor,
    /// What the forward pass on the minibatch left in each layer, without graph.
    pub trace: &'a [LayerTrace],
    /// Per-sample cross-entropy gradients of each layer, as [`crate::model::deltas`] gives them.
    pub deltas: &'a [Option<LayerDelta>],
    /// Gradient of the mean cross-entropy.
    pub cross_entropy_gradients: &'a Gradients,
    /// Gradient of the total loss.
    pub total_gradients: &'a Gradients,
    /// The optimizer with the memory of earlier updates.
    pub optimizer: &'a dyn Optimizer,
    /// Learning rate of each layer.
    pub learning_rates: &'a [f64],
    /// Terms of the loss beside the cross-entropy.
    pub penalties: &'a [Box<dyn Penalty>],
}
