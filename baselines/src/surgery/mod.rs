//! Surgery: interventions on the weights and on the optimizer between updates.

use std::fmt::Debug;

use crate::state::Stateful;

pub mod reset;

/// What surgery may do to a run.
pub trait Subject {
    /// Draws all parameters anew from the run's initialisation.
    fn initialise_parameters(&mut self);

    /// Puts the optimizer back to its state before the first update, moments and step count.
    fn clear_optimizer(&mut self);
}

/// An intervention; every method does nothing unless it is overridden.
pub trait Surgery: Stateful + Debug + Send {
    /// The name in configurations.
    fn name(&self) -> &'static str;

    /// Called before the first update of each task, the first task (0) included.
    fn at_task_start(&mut self, _task: usize, _subject: &mut dyn Subject) {}
}
