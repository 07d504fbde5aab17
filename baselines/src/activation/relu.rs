//! Rectified linear units, max(z, 0).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::LinearMap;

use super::{Activation, Widths};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};

/// `relu`: nothing added to the network; the arm in which the loss of trainability shows.
pub(crate) const PART: Part = Part::of::<ReluOptions>("relu", "plain ReLU network, nothing added");

/// `relu` has no options.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReluOptions {}

impl PartOptions for ReluOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Activation(Box::new(Relu), Widths::AsGiven))
    }
}

/// max(z, 0).
#[derive(Clone, Copy, Debug)]
pub struct Relu;

impl Activation for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn features(&self, units: i64) -> i64 {
        units
    }

    fn forward(&self, pre_activation: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.relu()
    }

    fn pull_back(&self, pre_activation: &Tensor, gradient: &Tensor, _map: LinearMap) -> Tensor {
        pre_activation.threshold_backward(gradient, 0.0)
    }

    fn piecewise_linear(&self) -> bool {
        true
    }
}
