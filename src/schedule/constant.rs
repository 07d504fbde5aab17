//! One learning rate for every layer, for ever. Without options it is the control that every schedule is compared with.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decay::{self, Decay, Plain};
use super::definition::{Progress, ScheduleFactory, ScheduleKind};

/// `constant`.
pub(crate) const KIND: ScheduleKind = decay::kind::<Constant>("the base learning rate, unchanged, or another one");

/// Its options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Constant {
    /// The rate, in place of `training.learning_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
}

/// Builds it: the base learning rate for every layer, for ever.
pub fn constant() -> ScheduleFactory {
    Arc::new(|start| Box::new(Plain::new(Constant::default(), start)))
}

impl Decay for Constant {
    const NAME: &'static str = "constant";

    fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    fn factor(&self, _: Progress) -> f64 {
        1.0
    }
}
