//! Penalties: terms of the loss beside the cross-entropy, and decays that the optimizer applies.

use std::fmt::Debug;

use tch::Tensor;

use crate::layers::{Gradients, LayerParameters};
use crate::state::Stateful;

pub mod adamw;
pub mod l2_adam;
pub mod l2_loss;
pub mod wasserstein;

/// A differentiable function of the parameters that is added to the loss.
pub trait Penalty: Stateful + Debug + Send {
    /// The name in configurations.
    fn name(&self) -> &'static str;

    /// Looks at the initial parameters, once, before the first update.
    fn begin(&mut self, layers: &[LayerParameters]);

    /// The penalty of these layers as a scalar with its graph: the definition, not the fast way.
    ///
    /// `layers` may be some of the network's; they are recognised by their names.
    fn loss(&self, layers: &[&LayerParameters]) -> Tensor;

    /// Adds the penalty's gradient to `gradients` in place, without a graph.
    fn add_gradient(&mut self, layers: &[LayerParameters], gradients: &mut Gradients);

    /// Whether it depends on the parameters that it began with. For a network that was trained elsewhere these have to be
    /// asked for.
    fn needs_initial_parameters(&self) -> bool {
        true
    }

    /// c, if the Hessian is c times the identity almost everywhere.
    fn isotropic_curvature(&self) -> Option<f64>;
}

/// The options of a penalty that has a coefficient alone.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoefficientOptions {
    /// The weight of the term in the loss.
    pub coefficient: f64,
}

impl Default for CoefficientOptions {
    fn default() -> Self {
        CoefficientOptions { coefficient: 1e-3 }
    }
}
