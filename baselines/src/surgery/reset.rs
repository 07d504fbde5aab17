//! A fresh network and a fresh optimizer at each task: the ceiling that the loss of trainability is measured against.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Intervention, Network, Surgery};
use crate::options::OptionError;
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::state::Stateful;

/// `reset`: starts over at each task.
pub(crate) const PART: Part =
    Part::of::<ResetOptions>("reset", "a fresh network and optimizer at each task: the ceiling").constant_only();

/// `reset` has no options.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetOptions {}

impl PartOptions for ResetOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        Ok(Contribution::Surgery(Box::new(Reset)))
    }
}

/// Fresh parameters and an empty optimizer at each task after the first, which starts fresh anyway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reset;

impl Surgery for Reset {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Reset
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if task > 0 {
            network.initialise_parameters();
            network.clear_optimizer();
        }
    }
}

impl Stateful for Reset {}
