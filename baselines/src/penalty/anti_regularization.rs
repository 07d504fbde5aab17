//! The weight penalty with its sign reversed: parameters are pushed away from zero, ever less as time passes.
//!
//! Alone such a term has no minimum, so two safeguards belong to its definition:
//!
//! - clipping: the coefficient of an update is lowered, if need be, until the push's norm over the whole network is at
//!   most `clip` times that of the gradient it joins. The data always outweigh it, also where they are fitted already;
//!   Adam would otherwise turn the smallest push that is alone into full steps.
//! - projection: after each step every layer, weight and bias together, is scaled back into the ball around zero whose
//!   radius is `radius` times the layer's initial norm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Curvature, Elapsed, Penalty};
use crate::gradient_rule::global_norm;
use crate::options::{OptionError, check, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::{Gradients, Layer, tensors};
use trainability_tensor::slices::sum_of_squares;
use trainability_tensor::state::{State, StateError, Stateful};

/// `anti_regularization`: parameters pushed away from zero, with safeguards.
pub(crate) const PART: Part = Part::of::<AntiRegularizationOptions>(
    "anti_regularization",
    "sign-reversed, decaying weight penalty, clipped and projected",
);

/// What the coefficient falls over, linearly to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PushDecay {
    /// The whole run.
    #[default]
    Run,
    /// Each task anew. This uses the task boundary.
    Task,
}

/// Options of `anti_regularization`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AntiRegularizationOptions {
    /// lambda at the beginning.
    pub coefficient: f64,
    /// How long the coefficient takes to fall to zero.
    pub decay: PushDecay,
    /// The largest norm of the push, as a share of the norm of the gradient that it joins; below 1.
    pub clip: f64,
    /// The largest norm of a layer, as a multiple of its initial norm; at least 1.
    pub radius: f64,
}

impl Default for AntiRegularizationOptions {
    fn default() -> Self {
        AntiRegularizationOptions { coefficient: 1e-3, decay: PushDecay::default(), clip: 0.5, radius: 2.0 }
    }
}

impl PartOptions for AntiRegularizationOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let coefficient = check_coefficient(self.coefficient)?;
        let AntiRegularizationOptions { clip, radius, .. } = self;
        check("clip", clip, clip > 0.0 && clip < 1.0, "between 0 and 1, both excluded")?;
        check("radius", radius, radius >= 1.0 && radius.is_finite(), "a finite number, 1 or above")?;
        let penalty = AntiRegularization { options: self, now: coefficient, initial_norms: Vec::new() };
        Ok(Contribution::Penalty(Box::new(penalty)))
    }
}

/// -lambda * sum theta^2, lambda falling.
#[derive(Debug)]
pub(crate) struct AntiRegularization {
    options: AntiRegularizationOptions,
    /// lambda of this update, clipped.
    now: f64,
    /// L2 norm of each layer at the beginning.
    initial_norms: Vec<f64>,
}

fn norm(layer: &Layer) -> f64 {
    layer.parameters.iter().map(|parameter| sum_of_squares(&parameter.value)).sum::<f64>().sqrt()
}

impl Penalty for AntiRegularization {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, layers: &[Layer]) {
        self.initial_norms = layers.iter().map(norm).collect();
    }

    fn begin_update(&mut self, elapsed: Elapsed) {
        let passed = match self.options.decay {
            PushDecay::Run => elapsed.of_run,
            PushDecay::Task => elapsed.of_task,
        };
        self.now = self.options.coefficient * (1.0 - passed);
    }

    fn after_step(&self, layers: &mut [Layer]) {
        let _guard = tch::no_grad_guard();
        for (layer, initial) in layers.iter_mut().zip(&self.initial_norms) {
            let (norm, most) = (norm(layer), self.options.radius * initial);
            if norm > most {
                for parameter in &mut layer.parameters {
                    let _ = parameter.value.g_mul_scalar_(most / norm);
                }
            }
        }
    }

    /// With the coefficient of the update at hand, which its clipping holds constant.
    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let squares = layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.square().sum(p.value.kind()));
        squares.sum::<Tensor>() * -self.now
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let theta = tensors(layers).map(sum_of_squares).sum::<f64>().sqrt();
        let most = self.options.clip * global_norm(gradients);
        if 2.0 * self.now * theta > most {
            self.now = most / (2.0 * theta);
        }
        let _guard = tch::no_grad_guard();
        for (value, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            let _ = gradient.g_add_(&(value * (-2.0 * self.now)));
        }
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        Some(Curvature::Isotropic(-2.0 * self.now))
    }
}

impl Stateful for AntiRegularization {
    fn save(&self, state: &mut State) {
        state.put_numbers("now", &[self.now]);
        state.put_numbers("initial_norms", &self.initial_norms);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("now", std::slice::from_mut(&mut self.now))?;
        state.numbers_into("initial_norms", &mut self.initial_norms)
    }
}
