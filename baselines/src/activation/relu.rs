//! Rectified linear units, max(z, 0).

use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::part::{Contribution, Part};

/// `relu`: nothing added to the network; the arm in which the loss of trainability shows.
pub(crate) const PART: Part = Part::without_options("relu", "plain ReLU network, nothing added", || {
    Contribution::Activation(Box::new(Relu), Widths::AsGiven)
});

/// max(z, 0).
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Activation for Relu {
    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.relu()
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.threshold_backward(gradient, 0.0)
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
