//! The gradients that each sample alone would give a layer, as far as measurements need them, without a loop over
//! samples.
//!
//! With a_i what goes into a dense layer for sample i and d_i the gradient of its own loss at the pre-activation, its
//! gradient is d_i a_i^T for the weight and d_i for the bias. A convolution's is the sum of that over positions, with
//! the patches of the unfolded input for a_i: D_i U_i^T, and the sum of D_i's columns.

use tch::{Kind, Tensor};

use crate::convolution;
use crate::layers::LinearMap;

/// The squared norm of each sample's gradient, weight and bias together, B numbers in f64, from the layer's input and the
/// gradients of the samples' losses at its pre-activation, in its shape.
pub fn squared_norms(input: &Tensor, delta: &Tensor) -> Tensor {
    let row_norms =
        |t: &Tensor| t.to_kind(Kind::Double).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
    match LinearMap::of(delta) {
        LinearMap::Dense => row_norms(delta) * (row_norms(input) + 1.0),
        LinearMap::Convolution => {
            let delta = delta.flatten(2, -1);
            let weight = convolution::sample_gradient_norms(&convolution::unfold(input), &delta);
            weight + row_norms(&bias_gradients(&delta))
        }
    }
}

/// The inner products of all pairs of samples' gradients, B x B in f64.
///
/// A dense layer's gradients are never formed: it adds (d_i . d_j) (a_i . a_j + 1). A convolution's are.
pub fn gram(input: &Tensor, delta: &Tensor) -> Tensor {
    let gram = |rows: &Tensor| rows.mm(&rows.tr());
    match LinearMap::of(delta) {
        LinearMap::Dense => gram(&delta.to_kind(Kind::Double)) * (gram(&input.to_kind(Kind::Double)) + 1.0),
        LinearMap::Convolution => {
            let delta = delta.flatten(2, -1);
            let weight = convolution::sample_gradients(&convolution::unfold(input), &delta);
            gram(&weight.flatten(1, -1)) + gram(&bias_gradients(&delta))
        }
    }
}

/// B x out x T to B x out in f64.
fn bias_gradients(delta: &Tensor) -> Tensor {
    delta.sum_dim_intlist([2i64].as_slice(), false, Kind::Double)
}
