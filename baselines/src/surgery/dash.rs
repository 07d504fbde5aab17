//! Direction-aware shrinking (DASH; Shin et al., arXiv 2410.23495): when a task begins, weights shrink that do not point where
//! the new task's loss falls.
//!
//! Over the training set, minibatch by minibatch, the negative gradient is averaged, G <- (1 - alpha) G + alpha (-g) from 0. What
//! shrinks together is a unit's row of a dense layer, a single filter (one channel in, one out) of a convolution, and a layer's
//! whole bias; its factor is the cosine between it and its part of G, at least lambda. Gains, shifts and tables stay, as does the
//! optimizer's memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::Gradients;
use trainability_tensor::layer::{Layer, LinearMap, Role};
use trainability_tensor::state::Stateful;

use super::{Intervention, Network, Surgery};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};

/// `dash`: what does not help the new task shrinks.
pub(crate) const PART: Part =
    Part::of::<Dash>("dash", "once a task, weights shrink the more, the less they point along the new task's descent");

/// w <- w max(lambda, cos(w, G)), before the first update of each task but the first, which begins fresh anyway.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Dash {
    /// Of the moving average of the negative gradient.
    pub alpha: f64,
    /// The least factor.
    pub lambda: f64,
    /// Images in a minibatch of the average.
    pub batch_size: usize,
}

impl Default for Dash {
    fn default() -> Self {
        Dash { alpha: 0.3, lambda: 0.3, batch_size: 256 }
    }
}

impl PartOptions for Dash {
    fn build(self) -> Result<Contribution, OptionError> {
        check("alpha", self.alpha, self.alpha > 0.0 && self.alpha <= 1.0, "above 0 and at most 1")?;
        check("lambda", self.lambda, (0.0..1.0).contains(&self.lambda), "at least 0 and below 1")?;
        check("batch_size", self.batch_size, self.batch_size > 0, "at least 1")?;
        Ok(Contribution::Surgery(Box::new(self)))
    }
}

/// A parameter as groups that shrink together, groups x elements; none of a parameter that does not shrink.
fn groups(layer: &Layer, role: Role, values: &Tensor) -> Option<Tensor> {
    match (layer.map, role) {
        (LinearMap::Embedding | LinearMap::Normalisation(_), _) | (_, Role::Gain | Role::Shift) => None,
        (_, Role::Bias) => Some(values.reshape([1, -1])),
        (LinearMap::Convolution(_), Role::Weight) => Some(values.flatten(2, -1).flatten(0, 1)),
        (LinearMap::Dense | LinearMap::Shared, Role::Weight) => Some(values.shallow_clone()),
    }
}

/// The cosine of each group with its counterpart; 0 where one of them is zero.
fn cosines(groups: &Tensor, others: &Tensor) -> Tensor {
    let dot = |a: &Tensor, b: &Tensor| (a * b).sum_dim_intlist([1i64].as_slice(), true, a.kind());
    let lengths = (dot(groups, groups) * dot(others, others)).sqrt();
    let some = lengths.gt(0.0);
    (dot(groups, others) / lengths).where_scalarother(&some, 0.0)
}

impl Surgery for Dash {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if task == 0 {
            return;
        }
        let _guard = tch::no_grad_guard();
        let zeros = |layer: &Layer| layer.parameters.iter().map(|p| p.value.detach().zeros_like()).collect();
        let mut descent: Gradients = network.layers().iter().map(zeros).collect();
        network.training_gradients(self.batch_size, &mut |gradients| {
            for (average, gradient) in descent.iter_mut().flatten().zip(gradients.iter().flatten()) {
                let _ = average.g_mul_scalar_(1.0 - self.alpha);
                let _ = average.g_add_(&(gradient * -self.alpha));
            }
        });
        for (layer, descent) in network.layers_mut().iter_mut().zip(&descent) {
            for (index, descent) in descent.iter().enumerate() {
                let (role, value) = (layer.parameters[index].role, layer.parameters[index].value.detach());
                let both = groups(layer, role, &value).zip(groups(layer, role, descent));
                let Some((own, descent)) = both else { continue };
                let shrunk = &own * cosines(&own, &descent).clamp(self.lambda, 1.0);
                layer.parameters[index].value.copy_(&shrunk.view(value.size().as_slice()));
            }
        }
    }
}

impl Stateful for Dash {}
