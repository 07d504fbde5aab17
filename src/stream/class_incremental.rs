//! Class-incremental learning: true labels, and every task shows the images of the next few classes alone, in an order of the
//! classes that the seed draws. The network has an output for each class of the set from the beginning.

use super::content::{Content, Labels, natural_order};
use super::kind::{CLASSES_PER_TASK, StreamKind};

/// `class_incremental`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "class_incremental",
    about: "true labels, and each task shows the images of the next `classes_per_task` classes alone",
    true_labels: true,
    permutes_pixels: false,
    options: &[CLASSES_PER_TASK],
    generator: "class_incremental",
    draw: |material, _, _| Content { labels: Labels::Renamed(natural_order(material.classes as usize)), pixels: None },
};
