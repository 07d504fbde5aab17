//! Gradient noise: the per-sample variance of a layer's gradient, without a loop over samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_tensor::sample_gradients::squared_norms;
use trainability_tensor::{LayerDelta, LayerTrace};

/// Whose gradients sigma2 is the variance of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSamples {
    /// Those of the update's own minibatch, of which there must be two at least.
    #[default]
    Minibatch,
    /// Those of the task's first `probe_images` images, whatever the minibatch: the only ones where that is a single image.
    Probe,
}

/// Why sigma2 is undefined of one sample, a part of a sentence.
pub(crate) const ONE_SAMPLE: &str = "one sample has no variance";

/// Squared L2 norm over several tensors, accumulated in f64.
pub(crate) fn squared_norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    tensors.into_iter().map(|t| t.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[])).sum()
}

/// sigma2 = (1/B) sum_i |g_i - g_mean|^2 of a layer's parameters together (docs/method.md, equation (2)).
///
/// The samples' squared norms follow from `delta`; `mean_gradient` is the layer's gradient of the mean of the same losses.
/// Sums are in f64: the difference of two nearly equal means would not survive f32.
pub fn noise_variance(layer: &LayerTrace, delta: &LayerDelta, mean_gradient: &[Tensor]) -> f64 {
    if delta.pre_activation.size()[0] == 1 {
        return 0.0;
    }
    let second_moment = squared_norms(layer, delta).mean(Kind::Double).double_value(&[]);
    (second_moment - squared_norm(mean_gradient)).max(0.0)
}
