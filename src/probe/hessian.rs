//! Hessian-vector products by differentiating twice: for the whole network, and for any layer of any network.

use tch::{Kind, Tensor};
use trainability_baselines::LayerParameters;
use trainability_baselines::lanczos::SymmetricOperator;
use trainability_baselines::penalty::Penalty;

use crate::network::{Network, cross_entropy, logits};

/// The Hessian of the total loss on a batch over the parameters of some layers.
pub struct Hessian<'a> {
    parameters: Vec<&'a Tensor>,
    gradients: Vec<Tensor>,
    /// Curvature of penalties whose Hessian is a multiple of the identity.
    shift: f64,
}

impl<'a> Hessian<'a> {
    /// Over all parameters.
    pub fn of_network(
        network: &'a Network,
        images: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        Hessian::of(network, network.layers.iter().collect(), images, labels, penalties)
    }

    /// Over the parameters of one layer, counted from 0: that layer's block.
    pub fn of_layer(
        network: &'a Network,
        layer: usize,
        images: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        Hessian::of(network, vec![&network.layers[layer]], images, labels, penalties)
    }

    fn of(
        network: &'a Network,
        layers: Vec<&'a LayerParameters>,
        images: &Tensor,
        labels: &Tensor,
        penalties: &[Box<dyn Penalty>],
    ) -> Hessian<'a> {
        let mut loss = cross_entropy(logits(&network.forward(images)), labels);
        let mut shift = 0.0;
        for penalty in penalties {
            match penalty.isotropic_curvature() {
                Some(curvature) => shift += curvature,
                None => loss += penalty.loss(&layers),
            }
        }
        let parameters: Vec<&Tensor> =
            layers.iter().flat_map(|layer| layer.parameters.iter().map(|parameter| &parameter.value)).collect();
        let gradients = Tensor::run_backward(&[loss], &parameters, true, true);
        Hessian { parameters, gradients, shift }
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
        Tensor::cat(&flat.collect::<Vec<_>>(), 0) + vector * self.shift
    }
}
