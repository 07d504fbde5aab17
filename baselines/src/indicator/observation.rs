//! What indicators may look at.

use std::cell::OnceCell;
use std::slice::SliceIndex;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use trainability_tensor::lanczos::{LanczosOptions, SymmetricOperator};
use trainability_tensor::layer::{Layer, LayerDelta, LayerTrace, LinearMap};
use trainability_tensor::spectrum::{Spectrum, SpectrumOptions};

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
    /// The mean cross-entropy of the minibatch before the update, and after it.
    pub losses: Option<[f64; 2]>,
    /// The parameters with which training began.
    pub initial: Option<&'a [Layer]>,
    /// What each layer adds to the empirical neural tangent kernel, m x m in f64 (docs/method.md, section 6); `None` in a
    /// layer where single samples have no gradient.
    pub tangent_kernels: Option<&'a [Option<Tensor>]>,
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
    weight_singular_values: OnceCell<Vec<Option<Vec<f64>>>>,
    hessian_spectrum: OnceCell<Spectrum>,
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

    /// The singular values of a layer's weight matrix in descending order, by f64 arithmetic; undefined where a weight is not
    /// finite, and for layers without a matrix.
    pub(super) fn weight_singular_values(&self, layer: usize) -> Option<&[f64]> {
        let of = |layer: &Layer| {
            let matrix = layer.matrix()?.detach().to_kind(Kind::Double);
            let finite = matrix.isfinite().all().int64_value(&[]) == 1;
            finite.then(|| Vec::try_from(matrix.svd(true, false).1).expect("a vector of f64"))
        };
        let all = self.shared.weight_singular_values.get_or_init(|| self.layers.iter().map(of).collect());
        all.get(layer)?.as_deref()
    }

    /// The eigenvalues, in ascending order, of the empirical neural tangent kernel that the parameters of some layers give;
    /// undefined where single samples have no gradient, or one that is not finite.
    pub(super) fn kernel_spectrum(
        &self,
        layers: impl SliceIndex<[Option<Tensor>], Output = [Option<Tensor>]>,
    ) -> Option<Vec<f64>> {
        let kernels = self.tangent_kernels?.get(layers)?.iter().map(Option::as_ref).collect::<Option<Vec<_>>>()?;
        let (first, others) = kernels.split_first()?;
        let kernel = others.iter().fold(first.shallow_clone(), |sum, kernel| sum + *kernel);
        let finite = kernel.isfinite().all().int64_value(&[]) == 1;
        // Rounding may leave an eigenvalue of 0 below it.
        let values = || kernel.linalg_eigvalsh("L").clamp_min(0.0);
        finite.then(|| Vec::try_from(values()).expect("a vector of f64"))
    }

    /// The spectrum of the Hessian, from starts that whoever asks first draws.
    pub(super) fn hessian_spectrum(&self, generator: &mut ChaCha8Rng) -> Option<&Spectrum> {
        let hessian = self.hessian?;
        Some(self.shared.hessian_spectrum.get_or_init(|| Spectrum::of(hessian, self.spectrum, generator)))
    }
}
