//! No activation: a deep linear network, which cannot lose units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `identity`: a deep linear network.
pub(crate) const PART: Part = Part::of::<IdentityOptions>("identity", "no activation: a deep linear network");

/// `identity` has no options.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityOptions {}

impl PartOptions for IdentityOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Activation(Box::new(Identity), Widths::AsGiven))
    }
}

/// z.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl Activation for Identity {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn features(&self, units: i64) -> i64 {
        units
    }

    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.shallow_clone()
    }

    fn pull_back(&self, _pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        gradient.shallow_clone()
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
