//! Normalisations: what becomes of a hidden layer's pre-activation z before it enters the activation.
//!
//! z is standardised to z_hat, and gain * z_hat + shift enters the activation. Gain and shift are parameters of the layer,
//! one of each a unit, that begin at 1 and 0. The output layer is not normalised. Penalties over all tensors treat them like
//! biases, so that L2 pulls a gain towards 0 and a distance from the initial parameters towards 1; `spectral` is for weights.

use std::fmt::Debug;

use tch::Tensor;
use trainability_tensor::{Layer, Stateful};

/// What z is standardised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The samples at hand, as an update sees them.
    Training,
    /// What training has left, if it leaves something: the result for one sample does not depend on the others.
    Evaluation,
}

/// A rule that standardises pre-activations. Layers are counted from 0; all but the last are hidden.
pub trait Normalization: Stateful + Debug + Send {
    /// The name in configurations.
    fn name(&self) -> &'static str;

    /// Begins anew for these hidden layers, as for a fresh network.
    fn begin(&mut self, _hidden: &[Layer]) {}

    /// z_hat of a hidden layer (B x units) from its pre-activation (B x units), with its graph. It remembers nothing.
    fn standardise(&self, layer: usize, pre_activation: &Tensor, mode: Mode) -> Tensor;

    /// Takes in the pre-activation (B x units) of an update's pass, once for each update.
    fn follow(&mut self, _layer: usize, _pre_activation: &Tensor) {}

    /// Forgets what it knows of some units of a hidden layer, which are fresh.
    fn restart_units(&mut self, _layer: usize, _units: &[i64]) {}

    /// Whether a sample's z_hat depends on the other samples of its minibatch. There is no gradient of a single sample
    /// then, for the parameters of the layer and of all layers below it.
    fn couples_samples(&self) -> bool;
}
