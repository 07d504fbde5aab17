//! How a configuration names a kind of stream.

use super::content::{Material, Source};

/// The option of kinds that redraw a part of the labels.
pub(crate) const FRACTION: &str = "fraction";

/// A kind of stream that a configuration can name.
#[derive(Debug)]
pub struct StreamKind {
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
