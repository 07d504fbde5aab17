//! lambda * theta added to the gradient before the moments: what Adam's own `weight_decay` does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CoefficientOptions;
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use crate::weight_decay::WeightDecay;

/// `l2_adam`: weight decay joined to the gradient before Adam's moments.
pub(crate) const PART: Part =
    Part::of::<L2AdamOptions>("l2_adam", "weight decay joined to the gradient before Adam's moments");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct L2AdamOptions(CoefficientOptions);

impl PartOptions for L2AdamOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::WeightDecay(WeightDecay::Coupled(check_coefficient(self.0.coefficient)?)))
    }
}
