//! AdamW (Loshchilov and Hutter, arXiv 1711.05101) under its own name: Adam, and a decoupled weight decay that comes with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::Layer;

use super::adam::Adam;
use super::adam_update::AdamOptions;
use super::beta_ramp::BetaRamp;
use super::definition::{Optimizer, OptimizerKind, OptimizerOptions};

/// `adamw`.
pub(super) const KIND: OptimizerKind = OptimizerKind::of::<AdamWOptions>(
    "adamw",
    "Adam with a decoupled weight decay of its own: what the method `adamw` makes of `adam`",
);

/// Adam's constants, and the decay.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWOptions {
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// By this times the learning rate all parameters shrink at each step.
    pub decay: f64,
    /// Decays of the moments that change within each task, as for `adam`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "super::beta_ramp::read")]
    #[schemars(with = "Value", extend("default" = "off", "type" = ["string", "object"]))]
    pub beta_ramp: Option<BetaRamp>,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        let AdamOptions { beta1, beta2, epsilon, beta_ramp } = AdamOptions::default();
        AdamWOptions { beta1, beta2, epsilon, decay: 0.01, beta_ramp }
    }
}

impl AdamWOptions {
    fn of_adam(&self) -> AdamOptions {
        let AdamWOptions { beta1, beta2, epsilon, beta_ramp, .. } = *self;
        AdamOptions { beta1, beta2, epsilon, beta_ramp }
    }
}

impl OptimizerOptions for AdamWOptions {
    fn check(&self) -> Result<(), OptionError> {
        self.of_adam().check()?;
        if !(self.decay > 0.0 && self.decay.is_finite()) {
            return Err(OptionError::new("decay", self.decay, "a finite number above 0; without a decay it is `adam`"));
        }
        Ok(())
    }

    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(Adam::with_own_decay(self.of_adam(), self.decay, weight_decay, layers))
    }
}
