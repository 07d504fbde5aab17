//! Streams: sequences of tasks out of one set of images.
//!
//! What tasks are about is drawn by a [`StreamKind`]: one file with a `KIND` of its own, named in [`STREAMS`]. [`Stream`]
//! makes the sequence of it: which images a task shows and in what order, lengths, recurrence and gradual change, which are
//! the same for every kind.

mod class_incremental;
mod content;
mod kind;
mod label_permutation;
mod lengths;
mod options;
mod pixel_permutation;
mod random_labels;
mod registry;
mod selection;
mod sequence;
mod start;

#[cfg(test)]
mod tests;

pub use content::{Content, Labels, Material};
pub use kind::StreamKind;
pub use lengths::Lengths;
pub use options::StreamOptions;
pub(crate) use random_labels::redrawn;
pub use registry::{STREAMS, stream};
pub(crate) use selection::group_sizes;
pub use sequence::{Minibatch, Stream};
pub use start::{Composition, StreamStart};
