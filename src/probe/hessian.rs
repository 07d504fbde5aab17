//! Hessian-vector products by differentiating twice: for the whole network, and for any layer of any network.

use tch::{Kind, Tensor};
use trainability_baselines::LayerParameters;
use trainability_baselines::lanczos::SymmetricOperator;
use trainability_baselines::normalization::Pass;
use trainability_baselines::penalty::{Curvature, Penalty};

use crate::network::{Network, cross_entropy, logits};

/// The Hessian of the total loss on a batch over the parameters of some layers: of the loss that an update would see, a
/// normalisation over the minibatch included.
pub struct Hessian<'a> {
    parameters: Vec<&'a Tensor>,
    gradients: Vec<Tensor>,
    /// Hessians that are known in closed form, each with the first of its layer's parameters and their number.
    closed: Vec<(i64, i64, Curvature)>,
}

impl<'a> Hessian<'a> {
    /// Over all parameters.
    pub fn of_network(
        network: &'a Network,
        images: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        let loss = cross_entropy(logits(&network.forward_training(images)), labels);
        Hessian::of(loss, network.layers.iter().collect(), penalties)
    }

    /// Over the parameters of one layer, counted from 0: that layer's block. The graph begins at the layer's input.
    pub fn of_layer(
        network: &'a Network,
        layer: usize,
        images: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        let input = {
            let _guard = tch::no_grad_guard();
            network.forward_training(images).swap_remove(layer).input
        };
        let pre_activation = network.layers[layer].forward(&input);
        let trace = network.forward_from(layer, input, pre_activation, Pass::Training);
        let loss = cross_entropy(logits(&trace), labels);
        Hessian::of(loss, vec![&network.layers[layer]], penalties)
    }

    /// From the cross-entropy with its graph over the parameters of these layers.
    fn of(mut loss: Tensor, layers: Vec<&'a LayerParameters>, penalties: &[Box<dyn Penalty>]) -> Hessian<'a> {
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
        let gradients = Tensor::run_backward(&[loss], &parameters, true, true);
        Hessian { parameters, gradients, closed }
    }
}

impl SymmetricOperator for Hessian<'_> {
    fn size(&self) -> i64 {
        self.parameters.iter().map(|parameter| parameter.numel() as i64).sum()
    }

    fn kind(&self) -> Kind {
        self.parameters[0].kind()
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let sizes: Vec<i64> = self.parameters.iter().map(|parameter| parameter.numel() as i64).collect();
        let parts = vector.split_with_sizes(&sizes, 0);
        let slope: Tensor =
            self.gradients.iter().zip(&parts).map(|(gradient, part)| gradient.flatten(0, -1).dot(part)).sum();
        let products = Tensor::run_backward(&[slope], &self.parameters, true, false);
        // A parameter that the gradient does not depend on comes back undefined: its rows are zero.
        let flat =
            products.iter().zip(&parts).map(|(p, part)| if p.defined() { p.flatten(0, -1) } else { part.zeros_like() });
        let product = Tensor::cat(&flat.collect::<Vec<_>>(), 0);
        for (first, length, curvature) in &self.closed {
            let mut part = product.narrow(0, *first, *length);
            part += curvature.product(&vector.narrow(0, *first, *length));
        }
        product
    }
}
