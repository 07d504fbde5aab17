//! lambda times the sum of cubed magnitudes of all parameters, in the loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Curvature, Penalty};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::state::Stateful;

/// `cubic`: sum of cubed magnitudes in the loss.
pub(crate) const PART: Part =
    Part::of::<CubicOptions>("cubic", "sum of cubed magnitudes of the parameters in the loss");

/// Options of `cubic`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CubicOptions {
    /// lambda, the weight of the term in the loss.
    pub coefficient: f64,
}

impl Default for CubicOptions {
    fn default() -> Self {
        CubicOptions { coefficient: 1e-3 }
    }
}

impl PartOptions for CubicOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Penalty(Box::new(Cubic { coefficient: check_coefficient(self.coefficient)? })))
    }
}

/// lambda * sum |theta|^3.
#[derive(Debug)]
pub(crate) struct Cubic {
    coefficient: f64,
}

impl Penalty for Cubic {
    fn name(&self) -> &'static str {
        PART.name
    }

    /// Sees the initial parameters, of which this one has no need.
    fn begin(&mut self, _layers: &[Layer]) {}

    /// The definition, with its graph.
    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters).map(|parameter| &parameter.value);
        parameters.map(|theta| theta.abs().pow_tensor_scalar(3).sum(theta.kind())).sum::<Tensor>() * self.coefficient
    }

    /// Its gradient, without a graph.
    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let _guard = tch::no_grad_guard();
        for (theta, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            let _ = gradient.g_add_(&(theta * theta.abs() * (3.0 * self.coefficient)));
        }
    }

    /// No closed form at hand, so that `loss` is differentiated twice; measurements take several times as long.
    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        None
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }
}

/// What it keeps from one update to the next goes into checkpoints; here that is nothing.
impl Stateful for Cubic {}
