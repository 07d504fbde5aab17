//! Activations: what a layer's pre-activation becomes before it enters the next layer.

use std::fmt::Debug;

use tch::Tensor;
use trainability_tensor::LinearMap;

/// How many units hidden layers have, given the configured numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widths {
    /// As many as configured.
    AsGiven,
    /// All of them narrowed by the same factor, so that the network has as many parameters as one whose units pass on
    /// one feature each.
    MatchParameters,
}

/// An elementwise nonlinearity, possibly one that widens its input.
pub trait Activation: Debug + Send + Sync {
    /// How many features `units` pre-activations become: a whole multiple, laid out in blocks of `units`, so that
    /// feature f comes from unit f mod units. One each, if nothing else is said.
    fn features(&self, units: i64) -> i64 {
        units
    }

    /// `pre_activation` (.. x units) of a layer with that map to activations (.. x features); the units lie along the map's
    /// [`LinearMap::unit_dimension`].
    fn forward(&self, pre_activation: &Tensor, map: LinearMap) -> Tensor;

    /// Pulls a gradient at the activations (.. x features) back to the pre-activations (.. x units).
    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, map: LinearMap) -> Tensor;

    /// Whether it is linear between kinks, so that a layer's Hessian block is its Gauss-Newton block.
    fn piecewise_linear(&self) -> bool;
}
