//! How a configuration names a kind of stream.

use trainability_tensor::Generator;

use super::content::{Content, Material};

/// The option of kinds that redraw a part of the labels.
pub(crate) const FRACTION: &str = "fraction";

/// The option of kinds whose tasks show some classes each.
pub(crate) const CLASSES_PER_TASK: &str = "classes_per_task";

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
    /// The name of the generator that content is drawn from, which is all that a kind remembers from task to task.
    pub generator: &'static str,
    /// Draws the next task's content; it is given that of the task before, none at the first.
    pub draw: fn(&Material, &mut Generator, Option<&Content>) -> Content,
}
