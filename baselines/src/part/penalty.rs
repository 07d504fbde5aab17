//! Penalties: terms of the loss beside the cross-entropy.

use std::fmt::Debug;

use tch::Tensor;
use trainability_tensor::{Gradients, Layer, Stateful};

use super::curvature::Curvature;

/// How much has passed when an update begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elapsed {
    /// The share of the run's updates, from 0 and below 1.
    pub of_run: f64,
    /// The share of the task's updates, from 0 and below 1.
    pub of_task: f64,
}

/// A penalty whose gradient is a multiple, which comes first, of each parameter's distance from where it is pulled to. Tensors are
/// in the order of the parameters.
#[derive(Debug)]
pub enum Pull<'a> {
    /// To 0.
    Zero(f64),
    /// Each element to that at its place.
    Places(f64, Vec<&'a Tensor>),
    /// Each element to that of its rank: the tensors are sorted.
    Ranks(f64, Vec<&'a Tensor>),
}

/// A differentiable function of the parameters that is added to the loss.
pub trait Penalty: Stateful + Debug + Send {
    /// The name in configurations.
    fn name(&self) -> &'static str;

    /// Looks at the initial parameters, once, before the first update.
    fn begin(&mut self, layers: &[Layer]);

    /// Called before each update; a penalty whose coefficient changes over time sets it here.
    fn begin_update(&mut self, _elapsed: Elapsed) {}

    /// Called after each optimizer step; a penalty that bounds the parameters does so here.
    fn after_step(&self, _layers: &mut [Layer]) {}

    /// The penalty of these layers as a scalar with its graph: the definition, not the fast way.
    ///
    /// `layers` may be some of the network's; they are recognised by their names.
    fn loss(&self, layers: &[&Layer]) -> Tensor;

    /// Adds the penalty's gradient to `gradients` in place, without a graph.
    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients);

    /// What its gradient is, if it is a pull, so that several networks can be pulled together.
    fn pull(&self) -> Option<Pull<'_>> {
        None
    }

    /// The Hessian over one layer's parameters almost everywhere, if it has a closed form; else [`Penalty::loss`] is
    /// differentiated twice. Layers do not mix.
    fn curvature(&self, layer: &Layer) -> Option<Curvature>;

    /// Whether it depends on the parameters that it began with. For a network that was trained elsewhere these have to be
    /// asked for.
    fn needs_initial_parameters(&self) -> bool {
        true
    }
}
