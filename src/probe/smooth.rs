//! A layer's Hessian block in any network, from a graph that begins at the layer's pre-activation.
//!
//! With its input held fixed, a layer's pre-activation z is linear in its weight and bias: a small change of them is a
//! change A theta of z. The block is therefore A^T M A with M the Hessian of the loss over z, and over the gain and shift
//! of a layer that is normalised, which A leaves as they are. Products with M come from differentiating twice, through the
//! part of the network above z alone, whatever it is made of. The block's nonzero eigenvalues are those of M A A^T:
//! with the layer's input a, A A^T multiplies z by the B x B matrix a_i . a_j + 1, so that a layer with many inputs is
//! measured in B x out numbers.

use tch::{Device, Kind, Tensor};
use trainability_tensor::Layer;
use trainability_tensor::lanczos::SymmetricOperator;

use super::hessian::product;
use super::view::UpdateView;
use crate::model::{Pass, cross_entropy};

/// M: the Hessian of the mean cross-entropy over a layer's pre-activation, gain and shift.
struct Above {
    /// z (B x out), gain and shift, where there are any (out).
    places: Vec<Tensor>,
    /// The gradient at each of them, with its graph.
    gradients: Vec<Tensor>,
}

impl Above {
    fn new(update: &UpdateView, layer: usize) -> Above {
        let z = update.trace[layer].pre_activation.detach().set_requires_grad(true);
        let layer = &update.model.layers()[layer];
        let mut pass = Pass::training().without_trace().with_pre_activation(layer, z.shallow_clone());
        let loss = cross_entropy(&update.model.forward(update.inputs, &mut pass), update.labels);
        let normalising = layer.normalising().map(Tensor::shallow_clone);
        let places: Vec<Tensor> = std::iter::once(z).chain(normalising).collect();
        let gradients = Tensor::run_backward(&[loss], &places, true, true);
        Above { places, gradients }
    }

    fn sizes(&self) -> Vec<i64> {
        self.places.iter().map(|place| place.numel() as i64).collect()
    }
}

/// M A A^T: shares its nonzero eigenvalues with the block.
pub(crate) struct SmoothSampleSide {
    above: Above,
    /// a_i . a_j + 1.
    gram: Tensor,
}

impl SmoothSampleSide {
    /// Of the layer at `layer`, counted from 0, on the batch that left its trace.
    pub(super) fn new(update: &UpdateView, layer: usize) -> SmoothSampleSide {
        let input = &update.trace[layer].input;
        SmoothSampleSide { above: Above::new(update, layer), gram: input.mm(&input.tr()) + 1.0 }
    }

    /// The numbers it acts on.
    pub(crate) fn size_of(layer: &Layer, samples: i64) -> i64 {
        samples * layer.units() + layer.normalising().map(|parameter| parameter.numel() as i64).sum::<i64>()
    }
}

impl SymmetricOperator for SmoothSampleSide {
    fn size(&self) -> i64 {
        self.above.sizes().iter().sum()
    }

    fn options(&self) -> (Kind, Device) {
        (self.gram.kind(), self.gram.device())
    }

    /// M.
    fn apply(&self, image: &Tensor) -> Tensor {
        product(&self.above.gradients, &self.above.places, image)
    }

    /// A A^T.
    fn inner(&self, vector: &Tensor) -> Option<Tensor> {
        let z = &self.above.places[0];
        let count = z.numel() as i64;
        let spread = self.gram.mm(&vector.narrow(0, 0, count).view_as(z));
        Some(Tensor::cat(&[spread.flatten(0, -1), vector.narrow(0, count, vector.numel() as i64 - count)], 0))
    }
}

/// The block A^T M A itself, acting on the layer's weight (row-major) followed by its other parameters.
pub(crate) struct SmoothParameterSide {
    above: Above,
    input: Tensor,
}

impl SmoothParameterSide {
    /// Of the layer at `layer`, counted from 0, on the batch that left its trace.
    pub(super) fn new(update: &UpdateView, layer: usize) -> SmoothParameterSide {
        SmoothParameterSide { above: Above::new(update, layer), input: update.trace[layer].input.shallow_clone() }
    }

    /// Numbers of the weight, the bias, and of gain and shift together.
    fn sizes(&self) -> [i64; 3] {
        let places = self.above.sizes();
        let units = self.above.places[0].size()[1];
        [units * self.input.size()[1], units, places[1..].iter().sum()]
    }
}

impl SymmetricOperator for SmoothParameterSide {
    fn size(&self) -> i64 {
        self.sizes().iter().sum()
    }

    fn options(&self) -> (Kind, Device) {
        (self.input.kind(), self.input.device())
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let [weights, units, normalising] = self.sizes();
        let weight = vector.narrow(0, 0, weights).view([units, -1]);
        let change = self.input.mm(&weight.tr()) + vector.narrow(0, weights, units);
        let rest = vector.narrow(0, weights + units, normalising);
        let product =
            product(&self.above.gradients, &self.above.places, &Tensor::cat(&[change.flatten(0, -1), rest], 0));
        let count = change.numel() as i64;
        let at_z = product.narrow(0, 0, count).view_as(&change);
        let weight = at_z.tr().mm(&self.input).flatten(0, -1);
        let bias = at_z.sum_dim_intlist([0i64].as_slice(), false, at_z.kind());
        Tensor::cat(&[weight, bias, product.narrow(0, count, normalising)], 0)
    }
}
