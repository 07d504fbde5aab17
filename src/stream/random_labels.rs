//! Random-label classification (docs/method.md, section 1): fixed images, all labels redrawn uniformly at every task
//! start, the first included; or, with `fraction`, a part of them at every task after the first.

use trainability_tensor::Generator;

use super::content::{Content, Labels, Material};
use super::kind::{FRACTION, StreamKind};

/// `random_labels`.
pub(super) const KIND: StreamKind = StreamKind {
    name: "random_labels",
    about: "fixed images, all labels (or the share `fraction`) redrawn uniformly at every task",
    true_labels: false,
    permutes_pixels: false,
    options: &[FRACTION],
    generator: "labels",
    draw,
};

/// How many of `images` labels a fraction of them is.
pub(crate) fn redrawn(fraction: f64, images: usize) -> usize {
    (fraction * images as f64).round() as usize
}

fn draw(material: &Material, generator: &mut Generator, before: Option<&Content>) -> Content {
    let Material { images, classes, fraction, .. } = *material;
    let labels = match before {
        Some(Content { labels: Labels::Drawn { labels: before, .. }, .. }) if fraction < 1.0 => {
            let count = redrawn(fraction, images);
            let chosen = generator.permutation(images).narrow(0, 0, count as i64);
            before.index_copy(0, &chosen, &generator.labels(count, classes))
        }
        _ => generator.labels(images, classes),
    };
    Content { labels: Labels::Drawn { labels, classes }, pixels: None }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn material(fraction: f64) -> Material {
        Material { images: 5000, features: 1, classes: 10, fraction, seed: 1 }
    }

    fn labels(content: &Content) -> Vec<i64> {
        Vec::try_from(&content.labels(&Tensor::zeros([5000], (tch::Kind::Int64, tch::Device::Cpu)))).unwrap()
    }

    fn changed(before: &Content, after: &Content) -> usize {
        labels(before).iter().zip(labels(after)).filter(|(before, after)| *before != after).count()
    }

    #[test]
    fn all_labels_are_redrawn_uniformly() {
        let mut source = Generator::named(KIND.generator, 1);
        let first = draw(&material(1.0), &mut source, None);
        let mut counts = [0; 10];
        labels(&first).iter().for_each(|label| counts[*label as usize] += 1);
        // 500 expected, standard deviation 21.
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
        let second = draw(&material(1.0), &mut source, Some(&first));
        assert!((4400..4600).contains(&changed(&first, &second)), "a tenth stays by chance");
        // As the generator alone gives them.
        let mut generator = Generator::named("labels", 1);
        for content in [first, second] {
            assert_eq!(Tensor::from_slice(&labels(&content)), generator.labels(5000, 10));
        }
    }

    #[test]
    fn a_fraction_redraws_exactly_that_many_images_which_the_generator_chooses() {
        for (fraction, count) in [(0.25, 1250), (0.0001, 1), (0.9999, 5000), (0.1234, 617)] {
            let mut source = Generator::named(KIND.generator, 1);
            let mut generator = Generator::named("labels", 1);
            let mut before = draw(&material(fraction), &mut source, None);
            let mut by_hand: Vec<i64> = Vec::try_from(generator.labels(5000, 10)).unwrap();
            assert_eq!(labels(&before), by_hand, "the first task redraws all");
            for _ in 0..3 {
                let after = draw(&material(fraction), &mut source, Some(&before));
                let chosen: Vec<i64> = Vec::try_from(generator.permutation(5000)).unwrap();
                let drawn: Vec<i64> = Vec::try_from(generator.labels(count, 10)).unwrap();
                for (image, label) in chosen.iter().zip(&drawn) {
                    by_hand[*image as usize] = *label;
                }
                assert_eq!(labels(&after), by_hand, "{fraction}");
                before = after;
            }
        }
        // Of the labels that are redrawn, a tenth is drawn again as it was.
        let mut source = Generator::named(KIND.generator, 1);
        let first = draw(&material(0.5), &mut source, None);
        let second = draw(&material(0.5), &mut source, Some(&first));
        assert!((2100..2400).contains(&changed(&first, &second)));
    }
}
