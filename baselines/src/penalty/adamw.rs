//! The weights shrink by learning rate times lambda beside the step (Loshchilov and Hutter, arXiv 1711.05101).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CoefficientOptions;
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use crate::weight_decay::WeightDecay;

/// `adamw`: decoupled weight decay.
pub(crate) const PART: Part = Part::of::<DecoupledDecay>("adamw", "decoupled weight decay");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct DecoupledDecay(CoefficientOptions);

impl PartOptions for DecoupledDecay {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::WeightDecay(WeightDecay::Decoupled(check_coefficient(self.0.coefficient)?)))
    }
}
