//! Streams: sequences of tasks out of one set of images.
//!
//! A stream is one file with an `ENTRY` of its own, named in [`STREAMS`].

use std::fmt::Debug;

use tch::Tensor;
use trainability_baselines::Stateful;

pub mod random_labels;

/// Every stream that a configuration can name.
pub const STREAMS: &[&Entry] = &[&random_labels::ENTRY];

/// A registry entry.
#[derive(Debug)]
pub struct Entry {
    /// The name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Builds it at its beginning.
    pub build: fn(Start) -> Box<dyn Stream>,
}

impl Entry {
    /// The stream of that name.
    pub fn named(name: &str) -> Option<&'static Entry> {
        STREAMS.iter().copied().find(|entry| entry.name == name)
    }
}

/// What a stream is built from.
#[derive(Debug)]
pub struct Start {
    /// N x features, normalised.
    pub images: Tensor,
    /// How many classes there are.
    pub classes: i64,
    /// How it is cut.
    pub lengths: Lengths,
    /// Labels and order follow from it alone.
    pub seed: u64,
}

/// How a stream is cut into tasks, epochs and minibatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Tasks of the run.
    pub tasks: usize,
    /// Passes over the images in a task.
    pub epochs: usize,
    /// Images in a minibatch; the last of an epoch may be shorter.
    pub batch_size: usize,
}

/// One minibatch.
#[derive(Debug)]
pub struct Minibatch {
    /// Which of the task's images, B, Int64.
    pub rows: Tensor,
    /// Their labels, B, Int64.
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

    /// All images of the task, N x features. Nobody writes to them: other images are another tensor.
    fn images(&self) -> &Tensor;

    /// Their labels, N.
    fn labels(&self) -> &Tensor;
}
