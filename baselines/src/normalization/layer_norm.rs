//! Layer normalisation (Ba, Kiros and Hinton, arXiv 1607.06450): each sample by the mean and variance over its units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Mode, Normalization};
use crate::options::{OptionError, check_positive};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::state::Stateful;

/// `layer_norm`: normalises each sample before the activation.
pub(crate) const PART: Part =
    Part::of::<LayerNorm>("layer_norm", "each sample is normalised over a layer's units before the activation");

/// (z - mean) / sqrt(variance + epsilon) over the units of each sample, the variance being the biased one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LayerNorm {
    /// Added to the variance.
    pub epsilon: f64,
}

impl Default for LayerNorm {
    fn default() -> Self {
        LayerNorm { epsilon: 1e-5 }
    }
}

impl PartOptions for LayerNorm {
    fn build(self) -> Result<Contribution, OptionError> {
        check_positive("epsilon", self.epsilon)?;
        Ok(Contribution::Normalization(Box::new(self)))
    }
}

impl Normalization for LayerNorm {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn standardise(&self, _layer: usize, pre_activation: &Tensor, _mode: Mode) -> Tensor {
        let units = pre_activation.size().last().copied().unwrap_or_default();
        pre_activation.layer_norm([units], None::<&Tensor>, None, self.epsilon, false)
    }

    fn couples_samples(&self) -> bool {
        false
    }
}

impl Stateful for LayerNorm {}
