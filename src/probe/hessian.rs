//! Hessian-vector products by differentiating twice: for the whole network, and for any layer of any network.

use std::borrow::Borrow;
use std::slice::SliceIndex;

use tch::{Device, Kind, Tensor};
use trainability_baselines::penalty::{Curvature, Penalty};
use trainability_tensor::Layer;
use trainability_tensor::lanczos::SymmetricOperator;

use crate::model::{Model, Pass, cross_entropy};

/// The Hessian of the total loss on a batch over the parameters of some layers: of the loss that an update would see, a
/// normalisation over the minibatch included.
pub struct Hessian<'a> {
    parameters: Vec<&'a Tensor>,
    gradients: Vec<Tensor>,
    /// Hessians that are known in closed form, each with the first of its layer's parameters and their number.
    closed: Vec<(i64, i64, Curvature)>,
}

impl<'a> Hessian<'a> {
    /// Over the parameters of some layers (all are `..`, a layer's block is `i..=i`) of the cross-entropy of a batch as an
    /// update sees it, and of the penalties.
    pub fn of(
        model: &'a dyn Model,
        layers: impl SliceIndex<[Layer], Output = [Layer]>,
        inputs: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        let mut loss = cross_entropy(&model.forward(inputs, &mut Pass::training().without_trace()), labels);
        let layers: Vec<&Layer> = model.layers()[layers].iter().collect();
        let mut closed = Vec::new();
        for penalty in penalties {
            let known: Option<Vec<Curvature>> = layers.iter().map(|layer| penalty.curvature(layer)).collect();
            let Some(known) = known else {
                loss += penalty.loss(&layers);
                continue;
            };
            let mut first = 0;
            for (layer, curvature) in layers.iter().zip(known) {
                closed.push((first, layer.count() as i64, curvature));
                first += layer.count() as i64;
            }
        }
        let parameters: Vec<&Tensor> =
            layers.iter().flat_map(|layer| layer.parameters.iter().map(|parameter| &parameter.value)).collect();
        let gradients = Tensor::run_backward(&[loss], &parameters, true, true).into_iter().zip(&parameters);
        // The loss may not depend on a parameter at all.
        let gradients = gradients.map(|(found, own)| if found.defined() { found } else { own.zeros_like() }).collect();
        Hessian { parameters, gradients, closed }
    }
}

/// The product with a direction, all places flattened one after the other, from the gradient at each of them with its graph.
pub(super) fn product(gradients: &[Tensor], places: &[impl Borrow<Tensor>], direction: &Tensor) -> Tensor {
    let sizes: Vec<i64> = places.iter().map(|place| place.borrow().numel() as i64).collect();
    let parts = direction.split_with_sizes(&sizes, 0);
    let slope: Tensor = gradients.iter().zip(&parts).map(|(gradient, part)| gradient.flatten(0, -1).dot(part)).sum();
    let products = Tensor::run_backward(&[slope], places, true, false);
    // A place that the gradient does not depend on comes back undefined: its rows are zero.
    let flat =
        products.iter().zip(&parts).map(|(p, part)| if p.defined() { p.flatten(0, -1) } else { part.zeros_like() });
    Tensor::cat(&flat.collect::<Vec<_>>(), 0)
}

impl SymmetricOperator for Hessian<'_> {
    fn size(&self) -> i64 {
        self.parameters.iter().map(|parameter| parameter.numel() as i64).sum()
    }

    fn options(&self) -> (Kind, Device) {
        (self.parameters[0].kind(), self.parameters[0].device())
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let product = product(&self.gradients, &self.parameters, vector);
        for (first, length, curvature) in &self.closed {
            let mut part = product.narrow(0, *first, *length);
            part += curvature.product(&vector.narrow(0, *first, *length));
        }
        product
    }
}
