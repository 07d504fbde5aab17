//! A learner: a model with its optimizer, its method, the probe that measures it and the schedule that steers it.
//!
//! [`Learner::update`] is the one training loop body that there is. Runs, `probe --trainability`, examples and tests all make
//! their updates by it.

mod builder;
mod initial_parameters;
mod learning;
mod observing;
mod options;
mod probe_noise;
mod second_pass;
mod state;
mod surgery;
mod together;
mod update;

#[cfg(test)]
mod tests;

pub use builder::LearnerBuilder;
pub(crate) use learning::LearnerOptions;
pub use learning::{Learner, LearnerError};
pub(crate) use observing::EVALUATION_CHUNK;
pub use options::{Precision, Training};
pub(crate) use together::{RulesTogether, follows_together};
pub use update::{Diverged, LayerMeasurement, Measured, Task, Update};
pub(crate) use update::{Passed, Traced};
