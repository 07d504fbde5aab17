//! No activation: a deep linear network, which cannot lose units.

use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::part::{Contribution, Part};

/// `identity`: a deep linear network.
pub(crate) const PART: Part = Part::without_options("identity", "no activation: a deep linear network", || {
    Contribution::Activation(Box::new(Identity), Widths::AsGiven)
});

/// z.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Activation for Identity {
    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.shallow_clone()
    }

    fn pull_back(&self, _pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        gradient.shallow_clone()
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
