//! Concatenated rectified linear units, (max(z, 0), max(-z, 0)).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `crelu`: every unit passes on both of its signs, so that none can die.
pub(crate) const PART: Part = Part::of::<CreluOptions>("crelu", "concatenated ReLU, the next layer's input doubles");

/// `match_parameters`: by default off, the width is kept and the network grows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CreluOptions {
    /// Whether to narrow the hidden layers until the network has as many parameters as a ReLU network of the given
    /// widths.
    pub match_parameters: bool,
}

impl PartOptions for CreluOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let widths = if self.match_parameters { Widths::MatchParameters } else { Widths::AsGiven };
        Ok(Contribution::Activation(Box::new(Crelu), widths))
    }
}

/// relu(z) in the first half of the features, relu(-z) in the second.
#[derive(Clone, Copy, Debug)]
pub struct Crelu;

impl Activation for Crelu {
    fn features(&self, units: i64) -> i64 {
        2 * units
    }

    fn forward(&self, pre_activation: &Tensor, map: LinearMap) -> Tensor {
        Tensor::cat(&[pre_activation.relu(), pre_activation.neg().relu()], map.unit_dimension())
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, map: LinearMap) -> Tensor {
        let halves = gradient.chunk(2, map.unit_dimension());
        pre_activation.threshold_backward(&halves[0], 0.0) - pre_activation.neg().threshold_backward(&halves[1], 0.0)
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
