//! Pixel permutation: true labels, the pixels of all images put into one fresh random order at every task, the first
//! included, so that no task is special. The colours of an image count as pixels of their own.

use super::content::{Content, Labels, natural_order};
use super::kind::StreamKind;

/// `pixel_permutation`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "pixel_permutation",
    about: "true labels, the pixels of all images in one fresh order at every task, the first included",
    true_labels: true,
    permutes_pixels: true,
    options: &[],
    generator: "pixel_permutation",
    draw: |material, generator, _| Content {
        labels: Labels::Renamed(natural_order(material.classes as usize)),
        pixels: Some(generator.permutation(material.features)),
    },
};
