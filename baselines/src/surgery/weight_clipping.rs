//! Weight clipping (Elsayed et al., arXiv 2407.01704): after each update every weight and bias is brought back into an interval
//! around 0, kappa times as wide as the one that its layer's weights are first drawn from.
//!
//! Weights begin uniform in [-s, s] with s = sqrt(6 / fan-in), so that the interval is [-kappa s, kappa s]; biases, which begin at
//! 0, have that of their layer. What is no weight of a linear map stays as it is: gains, shifts, and tables of vectors.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::layer::{Layer, Role};
use trainability_tensor::state::Stateful;

use super::{Intervention, Network, Surgery, tensors};
use crate::options::{OptionError, check_positive};
use crate::part::{Contribution, Part, PartOptions};

/// `weight_clipping`: weights and biases stay near where they were drawn.
pub(crate) const PART: Part =
    Part::of::<WeightClipping>("weight_clipping", "weights and biases are clipped to kappa times their initial bound");

/// theta <- min(max(theta, -kappa s), kappa s) after each update.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WeightClipping {
    /// kappa: how many times the initial bound.
    pub kappa: f64,
}

impl Default for WeightClipping {
    fn default() -> Self {
        WeightClipping { kappa: 2.0 }
    }
}

impl PartOptions for WeightClipping {
    fn build(self) -> Result<Contribution, OptionError> {
        check_positive("kappa", self.kappa)?;
        Ok(Contribution::Surgery(Box::new(self)))
    }
}

/// s of a layer whose weight is a matrix or filters.
fn initial_bound(layer: &Layer) -> f64 {
    let fan_in: i64 = layer.weight().size()[1..].iter().product();
    (6.0 / fan_in as f64).sqrt()
}

impl Surgery for WeightClipping {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn after_update(&mut self, _update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        for layer in network.layers_mut().iter_mut().filter(|layer| tensors::multiplies(layer)) {
            let bound = self.kappa * initial_bound(layer);
            for role in [Role::Weight, Role::Bias] {
                if let Some(value) = layer.parameter_mut(role) {
                    let _ = value.clamp_(-bound, bound);
                }
            }
        }
    }
}

impl Stateful for WeightClipping {}
