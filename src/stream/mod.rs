//! Streams: sequences of tasks out of one set of images.
//!
//! What tasks are about is drawn by a [`Source`], one for each kind of stream: one file with an `ENTRY` of its own, named in
//! [`STREAMS`]. [`Stream`] makes the sequence of it: the order of images, lengths, recurrence and gradual change, which
//! are the same for every kind.

automod::dir!(pub "src/stream");

pub use content::{Content, Labels, Material, Source};
pub use lengths::Lengths;
pub use sequence::{Composition, Minibatch, Start, Stream};

/// Every kind of stream that a configuration can name.
pub const STREAMS: &[&Entry] = &[&random_labels::ENTRY, &label_permutation::ENTRY, &pixel_permutation::ENTRY];

/// The option of kinds that redraw a part of the labels.
pub const FRACTION: &str = "fraction";

/// A registry entry.
#[derive(Debug)]
pub struct Entry {
    /// The name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Whether labels follow from what images show, so that images which nobody trained on can be asked about.
    pub true_labels: bool,
    /// Whether tasks show images in other orders of their pixels, which takes memory.
    pub permutes_pixels: bool,
    /// The options of the configuration's `stream` section that are of this kind and not of every one.
    pub options: &'static [&'static str],
    /// Builds it at its beginning.
    pub build: fn(Material) -> Box<dyn Source>,
}

impl Entry {
    /// The kind of that name.
    pub fn named(name: &str) -> Option<&'static Entry> {
        STREAMS.iter().copied().find(|entry| entry.name == name)
    }
}
