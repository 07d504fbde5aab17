//! What a stream is built from.

use tch::{Kind, Tensor};

use super::kind::StreamKind;
use super::lengths::Lengths;
use super::random_labels;

/// Options that every kind of stream composes with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Composition {
    /// n: task k has the content of task k mod n; 0 is never.
    pub recurring: usize,
    /// The share of a task's updates, the first task excepted, over which the content of the task before gives way: before
    /// it is over, each sample of a minibatch has its old label and its old image with probability 1 - u / (share times
    /// updates of the task), u being the task's updates made so far, and the new ones otherwise.
    pub transition: f64,
    /// How many of the images that it could show a task does show, drawn for each task without replacement; none: all.
    pub sample: Option<usize>,
    /// How many classes a task shows, in an order that the seed draws; none: all in every task.
    pub classes_per_task: Option<usize>,
}

/// What a stream is built from.
#[derive(Debug)]
pub struct StreamStart {
    /// The kind.
    pub kind: &'static StreamKind,
    /// M x features, normalised. Others may hold them too: nobody writes to them.
    pub images: Tensor,
    /// Which of them the tasks are about, in this order, N, Int64; none where it is all of them as they lie.
    pub chosen: Option<Tensor>,
    /// The true class of each of these, N, Int64.
    pub true_classes: Tensor,
    /// How many classes there are.
    pub classes: i64,
    /// How it is cut.
    pub lengths: Lengths,
    /// The share of the labels that a task redraws; for kinds that take it.
    pub fraction: f64,
    /// Recurrence and gradual change.
    pub composition: Composition,
    /// Content, order and mixture follow from it alone.
    pub seed: u64,
}

impl StreamStart {
    /// Random labels, all of them at every task, for images (N x features).
    pub fn random_labels(images: Tensor, classes: i64, lengths: Lengths, seed: u64) -> StreamStart {
        StreamStart {
            kind: &random_labels::KIND,
            true_classes: Tensor::zeros([images.size()[0]], (Kind::Int64, images.device())),
            images,
            chosen: None,
            classes,
            lengths,
            fraction: 1.0,
            composition: Composition::default(),
            seed,
        }
    }
}
