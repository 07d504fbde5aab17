//! The hyperbolic tangent: units that saturate instead of dying.

use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::part::{Contribution, Part};

/// `tanh`: saturating units.
pub(crate) const PART: Part = Part::without_options("tanh", "hyperbolic tangent units", || {
    Contribution::Activation(Box::new(Tanh), Widths::AsGiven)
});

/// tanh(z).
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Activation for Tanh {
    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.tanh()
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        gradient * (1.0 - pre_activation.tanh().square())
    }

    fn piecewise_linear(&self) -> bool {
        false
    }
}
