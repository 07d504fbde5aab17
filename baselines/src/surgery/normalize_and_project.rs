//! Normalise-and-project (Lyle et al., arXiv 2407.01800): hidden layers are normalised, so that the length of a weight does not
//! matter to what the network computes, and after each update every weight is brought back to the length that it began with, so
//! that the learning rate is the effective one.
//!
//! The length is the weight's L2 norm. Biases, gains and shifts are free. The normalisation is layer normalisation of
//! pre-activations; the output layer, which is not normalised, is projected too, as in the paper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::layer::{Layer, Role};
use trainability_tensor::slices::sum_of_squares;
use trainability_tensor::state::{State, StateError, Stateful};

use super::{Intervention, Network, Surgery, tensors};
use crate::normalization::layer_norm::LayerNorm;
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `normalize_and_project`: layer normalisation, and weights of constant length.
pub(crate) const PART: Part = Part::of::<NormalizeAndProject>(
    "normalize_and_project",
    "layer normalization, and after each update every weight is scaled back to its initial length",
);

/// Options of `normalize_and_project`: those of `layer_norm`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct NormalizeAndProject(LayerNorm);

impl PartOptions for NormalizeAndProject {
    fn build(self) -> Result<Contribution, OptionError> {
        let projection = Contribution::Surgery(Box::new(Projection { lengths: Vec::new() }));
        Ok(Contribution::Several(vec![self.0.build()?, projection]))
    }
}

/// W <- W |W_0| / |W| after each update.
#[derive(Debug)]
struct Projection {
    /// |W_0| of each layer.
    lengths: Vec<f64>,
}

fn length(layer: &Layer) -> f64 {
    sum_of_squares(layer.weight()).sqrt()
}

impl Surgery for Projection {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn begin(&mut self, layers: &[Layer]) {
        self.lengths = layers.iter().map(length).collect();
    }

    fn after_update(&mut self, _update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        let layers = network.layers_mut().iter_mut().zip(&self.lengths);
        for (layer, initial) in layers.filter(|(layer, _)| tensors::multiplies(layer)) {
            let now = length(layer);
            // A weight of zeros has no direction.
            if let Some(weight) = layer.parameter_mut(Role::Weight).filter(|_| now > 0.0) {
                let _ = weight.g_mul_scalar_(initial / now);
            }
        }
    }
}

impl Stateful for Projection {
    fn save(&self, state: &mut State) {
        state.put_numbers("lengths", &self.lengths);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("lengths", &mut self.lengths)
    }
}
