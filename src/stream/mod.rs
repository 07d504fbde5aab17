//! Streams: sequences of tasks out of one set of images.

use std::fmt::Debug;

use tch::Tensor;
use trainability_baselines::Stateful;

pub mod random_labels;

pub use random_labels::RandomLabels;

/// One minibatch.
#[derive(Debug)]
pub struct Minibatch {
    /// B x features, normalised.
    pub images: Tensor,
    /// B, Int64.
    pub labels: Tensor,
}

/// A sequence of tasks, and the position in it.
pub trait Stream: Stateful + Debug + Send {
    /// Tasks of the whole run.
    fn tasks(&self) -> usize;

    /// Updates of one task.
    fn updates_per_task(&self) -> u64;

    /// Goes on to the next task.
    fn begin_task(&mut self);

    /// The next minibatch of the task.
    fn next_minibatch(&mut self) -> Minibatch;

    /// All images of the task, N x features.
    fn images(&self) -> &Tensor;

    /// Their labels, N.
    fn labels(&self) -> &Tensor;
}
