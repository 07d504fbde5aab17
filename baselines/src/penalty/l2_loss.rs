//! lambda times the sum of squares of all parameters, biases included, in the loss.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{CoefficientOptions, Curvature, Penalty};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::for_float;
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::slices::{Float, view, view_mut};
use trainability_tensor::state::Stateful;

/// `l2_loss`: sum of squares in the loss.
pub const PART: Part = Part::of::<L2LossOptions>("l2_loss", "sum of squared parameters in the loss");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct L2LossOptions(CoefficientOptions);

impl PartOptions for L2LossOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Penalty(Box::new(L2Loss { coefficient: check_coefficient(self.0.coefficient)? })))
    }
}

/// lambda * sum theta^2.
#[derive(Debug)]
pub struct L2Loss {
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
            for_float!(value, add_multiple(gradient, value, 2.0 * self.coefficient));
        }
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(2.0 * self.coefficient))
    }
}

fn add_multiple<T: Float>(gradient: &mut Tensor, value: &Tensor, factor: f64) {
    let factor = T::of(factor);
    // SAFETY: a gradient shares no memory with a parameter, and nobody else is at work on either.
    let (gradient, value) = unsafe { (view_mut::<T>(gradient), view::<T>(value)) };
    for (g, &theta) in gradient.iter_mut().zip(value) {
        *g += factor * theta;
    }
}

impl Stateful for L2Loss {}
