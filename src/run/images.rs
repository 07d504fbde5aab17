//! The images of a run, out of a set.

use tch::{Device, Kind, Tensor};
use trainability_tensor::Generator;

use super::plan::RunPlan;
use crate::data::ImageSet;

/// What a run takes from the set.
#[derive(Debug)]
pub(crate) struct RunImages {
    /// N x features, normalised.
    pub(super) images: Tensor,
    /// Their true classes, N, Int64.
    pub(super) classes: Tensor,
    /// Images that nobody trains on, where the stream's labels say something of them.
    pub(super) held_out: Option<HeldOutImages>,
}

impl RunImages {
    /// The choice of the plan's seed.
    pub(crate) fn select(plan: &RunPlan, set: &ImageSet) -> RunImages {
        let kind = plan.training.precision.kind();
        let true_labels = plan.stream.kind().true_labels;
        RunImages {
            images: select_images(set, plan.images(), kind, plan.seed),
            classes: select_classes(set, plan.images(), plan.seed),
            held_out: true_labels.then(|| HeldOutImages::select(set, plan.data.test_images, kind, plan.seed)).flatten(),
        }
    }

    /// The same tensors once more: nobody writes to them.
    pub(crate) fn share(&self) -> RunImages {
        self.to_device(self.images.device())
    }

    /// The same images on a device.
    pub(super) fn to_device(&self, device: Device) -> RunImages {
        RunImages {
            images: self.images.to_device(device),
            classes: self.classes.to_device(device),
            held_out: self.held_out.as_ref().map(|held_out| held_out.to_device(device)),
        }
    }

    /// How many are trained on and how many are held out.
    pub(super) fn counts(&self) -> [i64; 2] {
        [self.images.size()[0], self.held_out.as_ref().map_or(0, |held_out| held_out.images.size()[0])]
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> usize {
        let held_out = self.held_out.iter().flat_map(|held_out| [&held_out.images, &held_out.classes]);
        let tensors = [&self.images, &self.classes].into_iter().chain(held_out);
        tensors.map(|tensor| tensor.numel() * tensor.kind().elt_size_in_bytes()).sum()
    }
}

/// The seed's choice of `count` images in a random order, count x features, normalised by the mean and the standard
/// deviation over all pixels of the whole set, so that equal images are equal inputs whatever the seed.
pub fn select_images(set: &ImageSet, count: usize, kind: Kind, seed: u64) -> Tensor {
    normalised(set, set, &order(set, seed).narrow(0, 0, count as i64), kind)
}

/// The true classes of the same images, count, Int64.
pub(crate) fn select_classes(set: &ImageSet, count: usize, seed: u64) -> Tensor {
    classes(set, &order(set, seed).narrow(0, 0, count as i64))
}

/// Images that nobody trains on.
#[derive(Debug)]
pub(super) struct HeldOutImages {
    /// M x features, normalised as the training images are.
    pub images: Tensor,
    /// Their true classes, M, Int64.
    pub classes: Tensor,
}

impl HeldOutImages {
    /// The set's own test images, or else the last `count` in the seed's order, of which [`select_images`] takes the first:
    /// what is trained on does not depend on whether some are held out. None where there are neither.
    pub(super) fn select(set: &ImageSet, count: Option<usize>, kind: Kind, seed: u64) -> Option<HeldOutImages> {
        let (from, chosen) = match (&set.test, count) {
            (Some(test), _) => (test.as_ref(), Tensor::from_slice(&(0..test.count as i64).collect::<Vec<_>>())),
            (None, Some(count)) => (set, order(set, seed).narrow(0, (set.count - count) as i64, count as i64)),
            (None, None) => return None,
        };
        Some(HeldOutImages { images: normalised(set, from, &chosen, kind), classes: classes(from, &chosen) })
    }

    /// The same images on a device.
    fn to_device(&self, device: Device) -> HeldOutImages {
        HeldOutImages { images: self.images.to_device(device), classes: self.classes.to_device(device) }
    }
}

/// The seed's order of all images.
fn order(set: &ImageSet, seed: u64) -> Tensor {
    Generator::named("images", seed).permutation(set.count)
}

/// Some images of a set, normalised by the moments of `by`.
fn normalised(by: &ImageSet, set: &ImageSet, chosen: &Tensor, kind: Kind) -> Tensor {
    let (mean, deviation) = moments(&by.images);
    let features = set.shape().features() as i64;
    let all = Tensor::from_slice(&set.images).view([set.count as i64, features]);
    ((all.index_select(0, chosen).to_kind(Kind::Double) - mean) / deviation).to_kind(kind)
}

fn classes(set: &ImageSet, chosen: &Tensor) -> Tensor {
    Tensor::from_slice(&set.labels).to_kind(Kind::Int64).index_select(0, chosen)
}

/// Mean and standard deviation of pixels; images of one colour keep their scale.
fn moments(pixels: &[u8]) -> (f64, f64) {
    let count = pixels.len() as f64;
    let mean = pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / count;
    let variance = pixels.iter().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_set_has_mean_zero_and_deviation_one_and_a_seed_takes_some_of_it() {
        let pixels: Vec<u8> = (0..200).map(|index| (index * 7 % 256) as u8).collect();
        let set = ImageSet {
            name: "synthetic".to_owned(),
            images: pixels,
            count: 50,
            rows: 2,
            columns: 2,
            channels: 1,
            labels: vec![0; 50],
            classes: 10,
            checksum: String::new(),
            test: None,
        };
        let all = select_images(&set, 50, Kind::Double, 3);
        assert!(all.mean(Kind::Double).double_value(&[]).abs() < 1e-12);
        assert!((all.std(false).double_value(&[]) - 1.0).abs() < 1e-12);
        let some = select_images(&set, 20, Kind::Double, 3);
        assert_eq!(some, all.narrow(0, 0, 20));
        assert_ne!(some, select_images(&set, 20, Kind::Double, 4));
    }

    /// Images of one pixel that tells which they are, and the class beside it.
    fn numbered(count: usize, first: u8) -> ImageSet {
        ImageSet {
            name: "numbered".to_owned(),
            images: (first..).take(count).collect(),
            count,
            rows: 1,
            columns: 1,
            channels: 1,
            labels: (first..).take(count).map(|number| number % 10).collect(),
            classes: 10,
            checksum: String::new(),
            test: None,
        }
    }

    /// Which images of the set these are.
    fn numbers(set: &ImageSet, images: &Tensor) -> Vec<i64> {
        let (mean, deviation) = moments(&set.images);
        Vec::try_from((images * deviation + mean).round().to_kind(Kind::Int64).view(-1)).unwrap()
    }

    #[test]
    fn held_out_images_are_others_than_those_that_are_trained_on() {
        let set = numbered(30, 0);
        let train = numbers(&set, &select_images(&set, 20, Kind::Double, 5));
        let held_out = HeldOutImages::select(&set, Some(10), Kind::Double, 5).unwrap();
        let test = numbers(&set, &held_out.images);
        let mut all = [train.clone(), test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>());
        let of = |numbers: &[i64]| numbers.iter().map(|number| number % 10).collect::<Vec<_>>();
        assert_eq!(Vec::<i64>::try_from(&held_out.classes).unwrap(), of(&test));
        assert_eq!(Vec::<i64>::try_from(&select_classes(&set, 20, 5)).unwrap(), of(&train));
        assert!(HeldOutImages::select(&set, None, Kind::Double, 5).is_none());
    }

    #[test]
    fn test_images_of_the_set_are_all_used_and_normalised_as_its_training_images() {
        let set = numbered(30, 0).with_test(numbered(7, 100)).unwrap();
        let held_out = HeldOutImages::select(&set, None, Kind::Double, 5).unwrap();
        assert_eq!(numbers(&set, &held_out.images), (100..107).collect::<Vec<_>>());
        assert_eq!(Vec::<i64>::try_from(&held_out.classes).unwrap(), (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn images_of_one_colour_are_zeros() {
        assert_eq!(moments(&[7; 12]), (7.0, 1.0));
    }
}
