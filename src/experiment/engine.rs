//! The option `engine`: how the runs of an experiment are carried out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How runs are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// Each run by itself, as many at a time as there are jobs.
    #[default]
    Local,
    /// Runs whose networks have one shape together, by batched products.
    Lockstep,
}

impl Engine {
    /// Whether it is the one that experiments have unless they say otherwise.
    pub(crate) fn is_local(&self) -> bool {
        *self == Engine::Local
    }
}
