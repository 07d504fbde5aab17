//! The gradients that each sample alone would give a layer, as far as measurements need them, without a loop over
//! samples.
//!
//! With a_i what goes into a dense layer for sample i and d_i the gradient of its own loss at the pre-activation, its
//! gradient is d_i a_i^T for the weight and d_i for the bias. A convolution's is the sum of that over positions, with
//! the patches of the unfolded input for a_i: D_i U_i^T, and the sum of D_i's columns. A layer that is normalised adds
//! e_i * z_hat_i for the gain and e_i for the shift ([`LayerDelta`]).

use tch::{Kind, Tensor};

use crate::convolution;
use crate::layer::{LayerDelta, LayerTrace, LinearMap};

/// The squared norm of each sample's gradient of all the layer's parameters, B numbers in f64; of dense layers also those of
/// several networks side by side, R x B.
pub fn squared_norms(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    let squares = |t: &Tensor| t.to_kind(Kind::Double).square();
    let over_row = |t: Tensor| t.sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
    let row_norms = |t: &Tensor| over_row(squares(t));
    let mut norms = match at_positions(layer, &layer.input, &delta.pre_activation) {
        None => row_norms(&delta.pre_activation) * (row_norms(&layer.input) + 1.0),
        Some((patches, delta)) => {
            convolution::sample_gradient_norms(&patches, &delta) + row_norms(&bias_gradients(&delta))
        }
    };
    if let Some((normalised, delta)) = layer.normalised.as_ref().zip(delta.normalised.as_ref()) {
        norms += over_row(squares(delta) * (squares(&normalised.standardised) + 1.0));
    }
    norms
}

/// The inner products of all pairs of gradients of the first m samples, m x m in f64.
///
/// A dense layer's gradients are never formed: it adds (d_i . d_j) (a_i . a_j + 1). Those of other layers are.
pub fn gram(layer: &LayerTrace, delta: &LayerDelta, samples: i64) -> Tensor {
    let first = |tensor: &Tensor| tensor.narrow(0, 0, samples).to_kind(Kind::Double);
    let products = |rows: &Tensor| rows.mm(&rows.tr());
    let (input, at_pre_activation) = (first(&layer.input), first(&delta.pre_activation));
    let linear = match at_positions(layer, &input, &at_pre_activation) {
        None => products(&at_pre_activation) * (products(&input) + 1.0),
        Some((patches, delta)) => {
            let weight = convolution::sample_gradients(&patches, &delta);
            products(&weight.flatten(1, -1)) + products(&bias_gradients(&delta))
        }
    };
    let Some((normalised, delta)) = layer.normalised.as_ref().zip(delta.normalised.as_ref()) else { return linear };
    let (standardised, shift) = (first(&normalised.standardised), first(delta));
    linear + products(&(standardised * &shift)) + products(&shift)
}

/// The patches that a layer sees at each of T positions (B x K x T) and the gradients there (B x out x T); none of a layer
/// that acts once on each sample.
fn at_positions(layer: &LayerTrace, input: &Tensor, delta: &Tensor) -> Option<(Tensor, Tensor)> {
    match layer.map {
        LinearMap::Dense => None,
        LinearMap::Shared => Some((input.transpose(1, 2), delta.transpose(1, 2))),
        LinearMap::Convolution => Some((convolution::unfold(input), delta.flatten(2, -1))),
    }
}

/// B x out x T to B x out in f64.
fn bias_gradients(delta: &Tensor) -> Tensor {
    delta.sum_dim_intlist([2i64].as_slice(), false, Kind::Double)
}
