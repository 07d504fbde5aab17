//! Decays of Adam that change within each task, as the runs behind the paper's figures had them and its text does not say.

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use trainability_baselines::options::OptionError;

/// Both decays of the first layers change within each task, linearly in the epoch, from Adam's own to these, which the epoch
/// after the last would have; at the next task they are Adam's own again (docs/method.md, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BetaRamp {
    /// Decay rate of the first moment at the end of a task.
    pub beta1: f64,
    /// Decay rate of the second moment at the end of a task.
    pub beta2: f64,
    /// How many layers, counted from the first.
    pub layers: usize,
}

impl Default for BetaRamp {
    /// That of the runs behind figures 3 and 5 to 12 of arXiv 2509.19698: half of the way to .99 and .75.
    fn default() -> Self {
        BetaRamp { beta1: 0.945, beta2: 0.8745, layers: 1 }
    }
}

impl BetaRamp {
    /// Both decays when this share of the task's epochs is over, from those that it begins with.
    pub(super) fn at(self, share: f64, [beta1, beta2]: [f64; 2]) -> [f64; 2] {
        [beta1 + share * (self.beta1 - beta1), beta2 + share * (self.beta2 - beta2)]
    }

    /// Checks the values.
    pub(super) fn check(self) -> Result<(), OptionError> {
        for (key, decay) in [("beta_ramp.beta1", self.beta1), ("beta_ramp.beta2", self.beta2)] {
            if !(0.0..1.0).contains(&decay) {
                return Err(OptionError::new(key, decay, "at least 0 and below 1"));
            }
        }
        if self.layers == 0 {
            return Err(OptionError::new("beta_ramp.layers", 0, "at least 1; `\"beta_ramp\": \"off\"` is none"));
        }
        Ok(())
    }
}

/// Reads `off`, `paper`, or an object.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BetaRamp>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match &value {
        Value::String(name) if name == "off" => Ok(None),
        Value::String(name) if name == "paper" => Ok(Some(BetaRamp::default())),
        Value::Object(_) => {
            serde_json::from_value(value).map(Some).map_err(|e| D::Error::custom(format!("beta_ramp: {e}")))
        }
        other => Err(D::Error::custom(format!(
            "beta_ramp is {other}, expected \"off\", \"paper\", or an object with beta1, beta2 and layers"
        ))),
    }
}
