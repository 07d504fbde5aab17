//! Label permutation: fixed images with their true labels, the classes renamed by a fresh random permutation at every task,
//! the first included. What an image shows stays a good guide to its label; only the names change.

use super::content::{Content, Labels};
use super::kind::StreamKind;

/// `label_permutation`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "label_permutation",
    about: "true labels, the classes renamed by a fresh permutation at every task",
    true_labels: true,
    permutes_pixels: false,
    options: &[],
    generator: "label_permutation",
    draw: |material, generator, _| Content {
        labels: Labels::Renamed(generator.permutation(material.classes as usize)),
        pixels: None,
    },
};
