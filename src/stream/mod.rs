//! Streams: sequences of tasks out of one set of images.
//!
//! What tasks are about is drawn by a [`StreamKind`]: one file with a `KIND` of its own, named in [`STREAMS`]. [`Stream`] makes the sequence of it: the order of images, lengths, recurrence and gradual change, which
//! are the same for every kind.

mod content;
mod kind;
mod label_permutation;
mod lengths;
mod options;
mod pixel_permutation;
mod random_labels;
mod registry;
mod sequence;

#[cfg(test)]
mod tests;

pub use content::{Content, Labels, Material};
pub use kind::StreamKind;
pub use lengths::Lengths;
pub use options::StreamOptions;
pub(crate) use random_labels::redrawn;
pub use registry::{STREAMS, stream};
pub use sequence::{Composition, Minibatch, Stream, StreamStart};
