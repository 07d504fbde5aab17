//! The hyperbolic tangent: units that saturate instead of dying.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `tanh`: saturating units.
pub(crate) const PART: Part = Part::of::<TanhOptions>("tanh", "hyperbolic tangent units");

/// `tanh` has no options.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TanhOptions {}

impl PartOptions for TanhOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Activation(Box::new(Tanh), Widths::AsGiven))
    }
}

/// tanh(z).
#[derive(Clone, Copy, Debug)]
pub struct Tanh;

impl Activation for Tanh {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn features(&self, units: i64) -> i64 {
        units
    }

    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.tanh()
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        gradient * (1.0 - pre_activation.tanh().square())
    }

    fn piecewise_linear(&self) -> bool {
        false
    }
}
