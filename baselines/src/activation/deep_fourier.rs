//! Deep Fourier features (Lewandowski, Schuurmans and Machado, arXiv 2410.20634): every unit passes on its sine and its cosine,
//! of which one is always close to linear, so that none saturates.
//!
//! The paper gives each layer half as many units, so that as many features reach the next layer; here the widths are kept
//! unless `match_parameters` asks for as many parameters as a ReLU network has, as for `crelu`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `deep_fourier`: the sine and the cosine of every unit.
pub(crate) const PART: Part =
    Part::of::<DeepFourierOptions>("deep_fourier", "sine and cosine of every unit, the next layer's input doubles");

/// `match_parameters`: by default off, the width is kept and the network grows.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeepFourierOptions {
    /// Whether to narrow the hidden layers until the network has as many parameters as a ReLU network of the given
    /// widths.
    pub match_parameters: bool,
}

impl PartOptions for DeepFourierOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let widths = if self.match_parameters { Widths::MatchParameters } else { Widths::AsGiven };
        Ok(Contribution::Activation(Box::new(DeepFourier), widths))
    }
}

/// sin(z) in the first half of the features, cos(z) in the second.
#[derive(Clone, Copy, Debug)]
pub struct DeepFourier;

impl Activation for DeepFourier {
    fn features(&self, units: i64) -> i64 {
        2 * units
    }

    fn forward(&self, pre_activation: &Tensor, map: LinearMap) -> Tensor {
        Tensor::cat(&[pre_activation.sin(), pre_activation.cos()], map.unit_dimension())
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, map: LinearMap) -> Tensor {
        let halves = gradient.chunk(2, map.unit_dimension());
        &halves[0] * pre_activation.cos() - &halves[1] * pre_activation.sin()
    }

    fn piecewise_linear(&self) -> bool {
        false
    }
}
