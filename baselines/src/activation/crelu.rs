//! Concatenated rectified linear units, (max(z, 0), max(-z, 0)).

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::Activation;
use crate::method::{Contribution, OptionError, Part, PartOptions};

/// `crelu`: every unit passes on both of its signs, so that none can die.
pub const PART: Part = Part::of::<CreluOptions>("crelu", "concatenated ReLU, the next layer's input doubles");

/// `crelu` has no options.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreluOptions {}

impl PartOptions for CreluOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Activation(Box::new(Crelu)))
    }
}

/// relu(z) in the first half of the features, relu(-z) in the second.
#[derive(Clone, Copy, Debug)]
pub struct Crelu;

impl Activation for Crelu {
    fn name(&self) -> &'static str {
        "crelu"
    }

    fn features(&self, units: i64) -> i64 {
        2 * units
    }

    fn forward(&self, pre_activation: &Tensor) -> Tensor {
        Tensor::cat(&[pre_activation.relu(), pre_activation.neg().relu()], -1)
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor) -> Tensor {
        let halves = gradient.chunk(2, -1);
        let positive = pre_activation.gt(0.0).to_kind(gradient.kind());
        let negative = pre_activation.lt(0.0).to_kind(gradient.kind());
        &halves[0] * positive - &halves[1] * negative
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
