//! Pixel permutation: true labels, the pixels of all images put into one fresh random order at every task, the first
//! included, so that no task is special. The colours of an image count as pixels of their own.

use trainability_tensor::{Generator, State, StateError, Stateful};

use super::content::{Content, Labels, Material, Source, natural_order};
use super::kind::StreamKind;

/// `pixel_permutation`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "pixel_permutation",
    about: "true labels, the pixels of all images in one fresh order at every task, the first included",
    true_labels: true,
    permutes_pixels: true,
    options: &[],
    build: |material| Box::new(PixelPermutation::new(material)),
};

/// Draws orders of the pixels.
#[derive(Debug)]
pub(crate) struct PixelPermutation {
    features: usize,
    classes: i64,
    generator: Generator,
}

impl PixelPermutation {
    /// Before the first task.
    pub(super) fn new(material: Material) -> PixelPermutation {
        let generator = Generator::named("pixel_permutation", material.seed);
        PixelPermutation { features: material.features, classes: material.classes, generator }
    }
}

impl Source for PixelPermutation {
    fn draw(&mut self, _: Option<&Content>) -> Content {
        let names = natural_order(self.classes as usize);
        Content { labels: Labels::Renamed(names), pixels: Some(self.generator.permutation(self.features)) }
    }
}

impl Stateful for PixelPermutation {
    fn save(&self, state: &mut State) {
        self.generator.save(state);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.generator.restore(state)
    }
}
