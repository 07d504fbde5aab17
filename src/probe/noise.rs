//! Gradient noise: the per-sample variance of a layer's gradient, without a loop over samples.

use tch::{Kind, Tensor};
use trainability_baselines::{LayerDelta, LayerTrace};

/// Squared L2 norm over several tensors, accumulated in f64.
pub fn squared_norm<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> f64 {
    tensors.into_iter().map(|t| t.to_kind(Kind::Double).square().sum(Kind::Double).double_value(&[])).sum()
}

/// sigma2 = (1/B) sum_i |g_i - g_mean|^2 of a linear layer's parameters together (METHOD 2).
///
/// With the gradient d (B x out) of each sample's own loss at the pre-activation, sample i's gradient is d_i a_i^T for the
/// weight and d_i for the bias, and its squared norm |d_i|^2 (|a_i|^2 + 1). A layer that is normalised adds e_i * z_hat_i
/// for the gain and e_i for the shift. `mean_gradient` is the layer's gradient of the mean of the same losses. Sums are in
/// f64: the difference of two nearly equal means would not survive f32.
pub fn noise_variance(layer: &LayerTrace, delta: &LayerDelta, mean_gradient: &[Tensor]) -> f64 {
    if delta.pre_activation.size()[0] == 1 {
        return 0.0;
    }
    let squares = |t: &Tensor| t.to_kind(Kind::Double).square();
    let over_row = |t: Tensor| t.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    let row_norms = |t: &Tensor| over_row(squares(t));
    let mut sample_norms = row_norms(&delta.pre_activation) * (row_norms(&layer.input) + 1.0);
    if let Some((normalised, delta)) = layer.normalised.as_ref().zip(delta.normalised.as_ref()) {
        sample_norms += over_row(squares(delta) * (squares(&normalised.standardised) + 1.0));
    }
    let second_moment = sample_norms.mean(Kind::Double).double_value(&[]);
    (second_moment - squared_norm(mean_gradient)).max(0.0)
}
