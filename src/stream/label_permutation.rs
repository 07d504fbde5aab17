//! Label permutation: fixed images with their true labels, the classes renamed by a fresh random permutation at every task,
//! the first included. What an image shows stays a good guide to its label; only the names change.

use trainability_tensor::{Generator, State, StateError, Stateful};

use super::content::{Content, Labels, Material, Source};
use super::kind::StreamKind;

/// `label_permutation`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "label_permutation",
    about: "true labels, the classes renamed by a fresh permutation at every task",
    true_labels: true,
    permutes_pixels: false,
    options: &[],
    build: |material| Box::new(LabelPermutation::new(material)),
};

/// Draws permutations of the classes.
#[derive(Debug)]
pub(crate) struct LabelPermutation {
    classes: usize,
    generator: Generator,
}

impl LabelPermutation {
    /// Before the first task.
    pub(super) fn new(material: Material) -> LabelPermutation {
        let generator = Generator::named("label_permutation", material.seed);
        LabelPermutation { classes: material.classes as usize, generator }
    }
}

impl Source for LabelPermutation {
    fn draw(&mut self, _: Option<&Content>) -> Content {
        Content { labels: Labels::Renamed(self.generator.permutation(self.classes)), pixels: None }
    }
}

impl Stateful for LabelPermutation {
    fn save(&self, state: &mut State) {
        self.generator.save(state);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.generator.restore(state)
    }
}
