//! The gradients that each sample alone would give a layer, as far as measurements need them, without a loop over
//! samples.
//!
//! With a_i what goes into a dense layer for sample i and d_i the gradient of its own loss at the pre-activation, its
//! gradient is d_i a_i^T for the weight and d_i for the bias. Where a matrix acts at several positions it is the sum of that
//! over positions, D_i A_i^T, and the sum of D_i's columns: of a convolution, A_i has the patches of the unfolded input, group by
//! group; of a layer that is used several times, the positions of all uses stand side by side. A table's gradient adds d to the row
//! that was looked up, a gain's is the sum over positions of d times the standardised value. A layer that is normalised adds
//! e_i * z_hat_i for the gain and e_i for the shift ([`LayerDelta`]).

use std::iter;

use tch::{Kind, Tensor};

use crate::convolution;
use crate::layer::{LayerDelta, LayerTrace, LinearMap};
use crate::normalisation::Standardisation;

/// The squared norm of each sample's gradient of all the layer's parameters, B numbers in f64; of dense layers also those of
/// several networks side by side, R x B.
pub fn squared_norms(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    let mut norms = match layer.map {
        LinearMap::Dense if layer.again.is_empty() => {
            let at_weight = row_norms(&layer.input) + if layer.has_bias { 1.0 } else { 0.0 };
            row_norms(&delta.pre_activation) * at_weight
        }
        LinearMap::Dense | LinearMap::Shared | LinearMap::Convolution(_) => {
            let Positions { inputs, deltas, groups } = Positions::of(layer, delta);
            let of_weight = convolution::sample_gradient_norms(&inputs, &deltas);
            let of_weight = if groups == 1 {
                of_weight
            } else {
                of_weight.view([-1, groups]).sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
            };
            if layer.has_bias { of_weight + row_norms(&over_positions(&at_bias(layer, delta))) } else { of_weight }
        }
        LinearMap::Embedding => looked_up_norms(layer, delta),
        LinearMap::Normalisation(rule) => scaling(rule, layer, delta).iter().map(row_norms).sum(),
    };
    if let Some((normalised, delta)) = layer.normalised.as_ref().zip(delta.normalised.as_ref()) {
        norms += over_row(squares(delta) * (squares(&normalised.standardised) + 1.0));
    }
    norms
}

/// The inner products of all pairs of gradients of the first m samples, m x m in f64.
///
/// A dense layer's gradients are never formed: it adds (d_i . d_j) (a_i . a_j + 1); nor are those of a table, which adds d . d'
/// wherever two positions look up the same row. Those of other layers are.
pub fn gram(layer: &LayerTrace, delta: &LayerDelta, samples: i64) -> Tensor {
    let first = |tensor: &Tensor| tensor.narrow(0, 0, samples);
    let layer = layer.map_tensors(&mut |tensor| first(tensor));
    let delta = delta.map_tensors(&mut |tensor| first(tensor));
    let linear = match layer.map {
        LinearMap::Dense if layer.again.is_empty() => {
            let at_weight = products(&layer.input) + if layer.has_bias { 1.0 } else { 0.0 };
            products(&delta.pre_activation) * at_weight
        }
        LinearMap::Dense | LinearMap::Shared | LinearMap::Convolution(_) => {
            let Positions { inputs, deltas, .. } = Positions::of(&layer, &delta);
            let of_weight = products(&convolution::sample_gradients(&inputs, &deltas).view([samples, -1]));
            if layer.has_bias { of_weight + products(&over_positions(&at_bias(&layer, &delta))) } else { of_weight }
        }
        LinearMap::Embedding => looked_up_products(&layer, &delta),
        LinearMap::Normalisation(rule) => scaling(rule, &layer, &delta).iter().map(products).sum(),
    };
    let Some((normalised, delta)) = layer.normalised.as_ref().zip(delta.normalised.as_ref()) else { return linear };
    let (standardised, shift) = (normalised.standardised.to_kind(Kind::Double), delta.to_kind(Kind::Double));
    linear + products(&(standardised * &shift)) + products(&shift)
}

fn squares(values: &Tensor) -> Tensor {
    values.to_kind(Kind::Double).square()
}

fn over_row(values: Tensor) -> Tensor {
    values.sum_dim_intlist([-1i64].as_slice(), false, Kind::Double)
}

fn row_norms(rows: &Tensor) -> Tensor {
    over_row(squares(rows))
}

fn products(rows: &Tensor) -> Tensor {
    let rows = rows.to_kind(Kind::Double);
    rows.mm(&rows.tr())
}

/// A layer's uses, each with its gradients.
fn uses<'a>(layer: &'a LayerTrace, delta: &'a LayerDelta) -> impl Iterator<Item = (&'a LayerTrace, &'a LayerDelta)> {
    iter::once((layer, delta)).chain(layer.again.iter().zip(&delta.again))
}

/// What the matrix of a layer is multiplied with, and the gradients at the products, position by position over all uses. The groups
/// of a convolution count as samples.
struct Positions {
    /// (B groups) x in x T.
    inputs: Tensor,
    /// (B groups) x out x T.
    deltas: Tensor,
    groups: i64,
}

impl Positions {
    fn of(layer: &LayerTrace, delta: &LayerDelta) -> Positions {
        let groups = if let LinearMap::Convolution(filters) = layer.map { filters.groups } else { 1 };
        let of_use = |(layer, delta): (&LayerTrace, &LayerDelta)| {
            let inputs = match layer.map {
                LinearMap::Convolution(filters) => filters.unfold(&layer.input),
                _ => units_first(&layer.input),
            };
            (inputs, at_bias_of_use(layer, delta))
        };
        let (inputs, deltas): (Vec<Tensor>, Vec<Tensor>) = uses(layer, delta).map(of_use).unzip();
        let beside = |parts: Vec<Tensor>| {
            let all = side_by_side(parts);
            let (samples, units, positions) = all.size3().expect("samples x units x positions");
            if groups == 1 { all } else { all.reshape([samples * groups, units / groups, positions]) }
        };
        Positions { inputs: beside(inputs), deltas: beside(deltas), groups }
    }
}

/// B x units as B x units x 1, B x T x units as B x units x T.
fn units_first(values: &Tensor) -> Tensor {
    match values.dim() {
        2 => values.unsqueeze(2),
        _ => values.flatten(1, -2).transpose(1, 2),
    }
}

fn side_by_side(mut parts: Vec<Tensor>) -> Tensor {
    if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(&parts, 2) }
}

/// The gradients at the pre-activations of one use, B x out x T.
fn at_bias_of_use(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    match layer.map {
        LinearMap::Convolution(_) => delta.pre_activation.flatten(2, -1),
        _ => units_first(&delta.pre_activation),
    }
}

/// Those of all uses, B x out x T.
fn at_bias(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    side_by_side(uses(layer, delta).map(|(layer, delta)| at_bias_of_use(layer, delta)).collect())
}

/// B x out x T to B x out in f64.
fn over_positions(deltas: &Tensor) -> Tensor {
    deltas.sum_dim_intlist([2i64].as_slice(), false, Kind::Double)
}

/// The rows that are looked up (B x T, over all uses), and the gradients there (B x T x out in f64).
fn looked_up(layer: &LayerTrace, delta: &LayerDelta) -> (Tensor, Tensor) {
    let samples = layer.input.size()[0];
    let rows: Vec<Tensor> = uses(layer, delta).map(|(layer, _)| layer.input.reshape([samples, -1])).collect();
    (Tensor::cat(&rows, 1), at_bias(layer, delta).transpose(1, 2).to_kind(Kind::Double))
}

/// The sum of d_t . d_s over all pairs of a sample's positions that look up the same row.
fn looked_up_norms(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    let (rows, deltas) = looked_up(layer, delta);
    let same = rows.unsqueeze(2).eq_tensor(&rows.unsqueeze(1));
    (deltas.bmm(&deltas.transpose(1, 2)) * same).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Double)
}

/// The same over pairs of two samples' positions.
fn looked_up_products(layer: &LayerTrace, delta: &LayerDelta) -> Tensor {
    let (rows, deltas) = looked_up(layer, delta);
    let of_sample = |sample: i64| {
        let same = rows.get(sample).view([1, -1, 1]).eq_tensor(&rows.unsqueeze(1));
        (deltas.get(sample).matmul(&deltas.transpose(1, 2)) * same).sum_dim_intlist(
            [1i64, 2].as_slice(),
            false,
            Kind::Double,
        )
    };
    Tensor::stack(&(0..rows.size()[0]).map(of_sample).collect::<Vec<Tensor>>(), 0)
}

/// Each sample's gradient of gain and, where there is one, bias, B x units each, over all uses.
fn scaling(rule: Standardisation, layer: &LayerTrace, delta: &LayerDelta) -> Vec<Tensor> {
    let over = |make: fn(&LayerTrace, &LayerDelta) -> Tensor| {
        uses(layer, delta).map(|(layer, delta)| rule.sum_positions(&make(layer, delta))).sum::<Tensor>()
    };
    let gain = over(|layer, delta| &layer.input.to_kind(Kind::Double) * &delta.pre_activation);
    let bias = layer.has_bias.then(|| over(|_, delta| delta.pre_activation.to_kind(Kind::Double)));
    iter::once(gain).chain(bias).collect()
}
