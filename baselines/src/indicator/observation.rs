//! What indicators may look at.

use std::cell::OnceCell;

use tch::{Kind, Tensor};

use trainability_tensor::lanczos::{LanczosOptions, SymmetricOperator};
use trainability_tensor::layer::{Layer, LayerDelta, LayerTrace, LinearMap};
use trainability_tensor::spectrum::SpectrumOptions;

/// Means over all parameters of the network, taken in the optimizer's step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateSummary {
    /// mean |delta theta|.
    pub mean_absolute_update: f64,
    /// mean |theta| before the update.
    pub mean_absolute_weight: f64,
}

/// The gradient of one layer at a measured update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerGradient {
    /// Squared L2 norm of the gradient of the total loss.
    pub sq_norm: f64,
    /// Per-sample variance of the cross-entropy's gradient, sigma2; undefined of one sample, and where single samples have no
    /// gradient.
    pub noise_variance: Option<f64>,
}

/// A network on a batch. What a moment does not offer is `None`.
pub struct Observation<'a> {
    /// The parameters.
    pub layers: &'a [Layer],
    /// What each layer left of a pass over B samples, without graph.
    pub trace: &'a [LayerTrace],
    /// For each layer the gradients of each sample's own cross-entropy; `None` in a layer where single samples have none.
    pub deltas: Option<&'a [Option<LayerDelta>]>,
    /// The gradient of each layer.
    pub gradients: Option<&'a [LayerGradient]>,
    /// The size of the update just made.
    pub update: Option<UpdateSummary>,
    /// The Hessian of the total loss over all parameters.
    pub hessian: Option<&'a dyn SymmetricOperator>,
    /// When an iterative computation may stop.
    pub lanczos: LanczosOptions,
    /// How closely the Hessian's spectrum is looked at.
    pub spectrum: SpectrumOptions,
    /// What more than one indicator needs, computed when the first asks.
    pub shared: Shared,
}

/// Results that indicators share.
#[derive(Debug, Default)]
pub struct Shared {
    singular_values: OnceCell<Vec<Option<Vec<f64>>>>,
}

impl Observation<'_> {
    /// The layers whose units are hidden, with their place among all layers.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = (usize, &LayerTrace)> {
        self.trace.iter().enumerate().filter(|(_, layer)| layer.features.is_some())
    }

    /// What a hidden layer left; nothing of another.
    pub(crate) fn hidden_layer(&self, layer: usize) -> Option<&LayerTrace> {
        self.trace.get(layer).filter(|layer| layer.features.is_some())
    }

    /// B.
    pub(crate) fn samples(&self) -> Option<i64> {
        self.trace.first().map(|layer| layer.pre_activation.size()[0])
    }

    /// The singular values of a hidden layer's activations (B x features, of a convolution those of all positions) in
    /// descending order, by f64 arithmetic; undefined where an activation is not finite, and for layers that are not hidden.
    pub(crate) fn singular_values(&self, layer: usize) -> Option<&[f64]> {
        let of = |layer: &LayerTrace| {
            let activations = layer.features.as_ref()?.to_kind(Kind::Double);
            // The decomposition fails on numbers that are not finite.
            let finite = activations.isfinite().all().int64_value(&[]) == 1;
            let activations = match layer.map {
                LinearMap::Dense if activations.dim() == 2 => activations,
                // One row an image and far more columns: the triangular factor has the same singular values, and svd would
                // take room for the square of the longer side.
                _ => Tensor::linalg_qr(&activations.flatten(1, -1).tr(), "r").1,
            };
            finite.then(|| Vec::try_from(activations.svd(true, false).1).expect("a vector of f64"))
        };
        let all = self.shared.singular_values.get_or_init(|| self.trace.iter().map(of).collect());
        all.get(layer)?.as_deref()
    }
}
