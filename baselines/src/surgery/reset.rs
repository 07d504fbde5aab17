//! A fresh network and a fresh optimizer at each task: the ceiling that the loss of trainability is measured against.

use super::{Intervention, Network, Surgery};
use crate::part::{Contribution, Part};
use trainability_tensor::state::Stateful;

/// `reset`: starts over at each task.
pub(crate) const PART: Part =
    Part::without_options("reset", "a fresh network and optimizer at each task: the ceiling", || {
        Contribution::Surgery(Box::new(Reset))
    })
    .constant_only();

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
