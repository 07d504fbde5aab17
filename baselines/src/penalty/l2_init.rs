//! lambda times the squared distance of all parameters from their initial values, biases included, in the loss
//! (Kumar et al., arXiv 2308.11958).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{CoefficientOptions, Curvature, Penalty, Pull, kept};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::for_float;
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::slices::{Float, add_multiple, on_host, view, view_mut};
use trainability_tensor::state::{State, StateError, Stateful};

/// `l2_init`: squared distance from the initial parameters in the loss.
pub(crate) const PART: Part =
    Part::of::<L2InitOptions>("l2_init", "squared distance of the parameters from the initial ones");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct L2InitOptions(CoefficientOptions);

impl PartOptions for L2InitOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let coefficient = check_coefficient(self.0.coefficient)?;
        Ok(Contribution::Penalty(Box::new(L2Init { coefficient, initial: Vec::new() })))
    }
}

/// lambda * sum (theta - theta_0)^2.
#[derive(Debug)]
pub(crate) struct L2Init {
    coefficient: f64,
    /// Parameter names with their initial values.
    initial: Vec<(String, Tensor)>,
}

impl Penalty for L2Init {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, layers: &[Layer]) {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters);
        self.initial = parameters.map(|p| (p.name.clone(), p.value.detach().copy())).collect();
    }

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let distances = layers.iter().flat_map(|layer| &layer.parameters).map(|parameter| {
            (&parameter.value - kept(&self.initial, &parameter.name)).square().sum(parameter.value.kind())
        });
        distances.sum::<Tensor>() * self.coefficient
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let initial = self.initial.iter().map(|(_, initial)| initial);
        for ((value, gradient), initial) in tensors(layers).zip(gradients.iter_mut().flatten()).zip(initial) {
            let factor = 2.0 * self.coefficient;
            if on_host(value) {
                for_float!(value, add_distance(gradient, value, initial, factor));
            } else {
                add_multiple(gradient, factor, &(value.detach() - initial));
            }
        }
    }

    fn pull(&self) -> Option<Pull<'_>> {
        Some(Pull::Places(2.0 * self.coefficient, self.initial.iter().map(|(_, initial)| initial).collect()))
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(2.0 * self.coefficient))
    }
}

fn add_distance<T: Float>(gradient: &mut Tensor, value: &Tensor, initial: &Tensor, factor: f64) {
    let factor = T::of(factor);
    // SAFETY: gradient, parameter and initial value have memory of their own, and nobody else is at work on them.
    let (gradient, value, initial) = unsafe { (view_mut::<T>(gradient), view::<T>(value), view::<T>(initial)) };
    for ((g, &theta), &theta_0) in gradient.iter_mut().zip(value).zip(initial) {
        *g += factor * (theta - theta_0);
    }
}

impl Stateful for L2Init {
    fn save(&self, state: &mut State) {
        for (name, initial) in &self.initial {
            state.put_tensor(name, initial);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.initial.iter_mut().try_for_each(|(name, initial)| state.copy_into(name, initial))
    }
}
