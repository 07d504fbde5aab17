//! lambda times the sum of squares of all parameters, biases included, in the loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{CoefficientOptions, Curvature, Penalty};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::slices::add_multiple;
use trainability_tensor::state::Stateful;

/// `l2_loss`: sum of squares in the loss.
pub(crate) const PART: Part = Part::of::<L2LossOptions>("l2_loss", "sum of squared parameters in the loss");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct L2LossOptions(CoefficientOptions);

impl PartOptions for L2LossOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Penalty(Box::new(L2Loss { coefficient: check_coefficient(self.0.coefficient)? })))
    }
}

/// lambda * sum theta^2.
#[derive(Debug)]
pub(crate) struct L2Loss {
    coefficient: f64,
}

impl Penalty for L2Loss {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, _layers: &[Layer]) {}

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let squares = layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.square().sum(p.value.kind()));
        squares.sum::<Tensor>() * self.coefficient
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        for (value, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            add_multiple(gradient, 2.0 * self.coefficient, value);
        }
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(2.0 * self.coefficient))
    }
}

impl Stateful for L2Loss {}
