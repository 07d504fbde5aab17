//! lambda times the sum of squares of all parameters, biases included, in the loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{CoefficientOptions, Curvature, Penalty, Pull};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::slices::add_multiple;
use trainability_tensor::state::Stateful;

/// `l2_loss`: sum of squares in the loss.
pub(crate) const PART: Part = Part::of::<L2Loss>("l2_loss", "sum of squared parameters in the loss");

/// lambda * sum theta^2, lambda being by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct L2Loss(CoefficientOptions);

impl L2Loss {
    /// Of that coefficient, which has been checked.
    pub(crate) fn of(coefficient: f64) -> L2Loss {
        L2Loss(CoefficientOptions { coefficient })
    }
}

impl PartOptions for L2Loss {
    fn build(self) -> Result<Contribution, OptionError> {
        check_coefficient(self.0.coefficient)?;
        Ok(Contribution::Penalty(Box::new(self)))
    }
}

impl Penalty for L2Loss {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, _layers: &[Layer]) {}

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let squares = layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.square().sum(p.value.kind()));
        squares.sum::<Tensor>() * self.0.coefficient
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        for (value, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            add_multiple(gradient, 2.0 * self.0.coefficient, value);
        }
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }

    fn pull(&self) -> Option<Pull<'_>> {
        Some(Pull::Zero(2.0 * self.0.coefficient))
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(2.0 * self.0.coefficient))
    }
}

impl Stateful for L2Loss {}
