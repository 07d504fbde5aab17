//! A model that is layers one after the other, as curvature and surgery see it.

use trainability_baselines::activation::Activation;
use trainability_baselines::normalization::Normalization;
use trainability_tensor::Layer;

/// Layers one after the other, the same activation after each but the last.
#[derive(Clone, Copy, Debug)]
pub struct LayerChain<'a> {
    /// The layers, the output layer last.
    pub layers: &'a [Layer],
    /// The activation between them.
    pub activation: &'a dyn Activation,
    /// What hidden layers are normalised by before it, if they are.
    pub normalization: Option<&'a dyn Normalization>,
}

impl LayerChain<'_> {
    /// Whether the logits are piecewise linear in the parameters of any one layer.
    pub(crate) fn is_piecewise_linear(&self) -> bool {
        self.activation.piecewise_linear() && self.normalization.is_none()
    }
}
