//! The images of runs, out of a set. The runs of a sweep share them.
//!
//! A run on the whole set takes the set as it lies in its files, normalised once for all runs, and keeps no more of its own
//! than the order in which its seed draws it. A run on a part of the set takes that part, already in its order, as does every
//! run of the same seed; it is dropped when nobody has it any more and another seed's is asked for.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tch::{Device, Kind, Tensor};
use trainability_tensor::Generator;
use trainability_tensor::sparse_images::SparseImages;

use super::plan::RunPlan;
use crate::data::ImageSet;
use crate::model::TaskImages;

/// Images that are normalised at once, which bounds the memory.
const CHUNK: usize = 1024;

/// The seed's choice of `count` images in a random order, count x features, normalised by the mean and the standard
/// deviation over all pixels of the whole set, so that equal images are equal inputs whatever the seed.
pub fn select_images(set: &ImageSet, count: usize, kind: Kind, seed: u64) -> Tensor {
    SharedImages::of(set).normalised(ImageChoice::Drawn { first: 0, count, seed }, kind)
}

/// Which images of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ImageChoice {
    /// All that are trained on, in the order of their files.
    Whole,
    /// Its test images, in the order of their files.
    Test,
    /// Some of a seed's order of all images, from `first` on.
    Drawn { first: usize, count: usize, seed: u64 },
}

impl ImageChoice {
    fn seed(self) -> Option<u64> {
        if let ImageChoice::Drawn { seed, .. } = self { Some(seed) } else { None }
    }
}

/// The images of a set for all runs of a process.
#[derive(Debug)]
pub(crate) struct SharedImages<'a> {
    set: &'a ImageSet,
    mean: f64,
    deviation: f64,
    made: Mutex<Vec<Made>>,
}

/// Images in memory.
#[derive(Debug)]
struct Made {
    part: ImageChoice,
    kind: Kind,
    device: Device,
    dense: Tensor,
    /// The same without their background, if they have one, once a run has asked for it.
    sparse: OnceCell<Option<Arc<SparseImages>>>,
    /// The runs that have taken them.
    users: Weak<()>,
}

/// What a run takes from the set.
#[derive(Debug)]
pub(crate) struct RunImages {
    /// The images that it trains on.
    pub(super) training: Taken,
    /// Images that nobody trains on, where the stream's labels say something of them.
    pub(super) held_out: Option<Taken>,
    /// Whether its minibatches leave the background out, if there is one.
    pub(super) leaves_out: bool,
}

impl RunImages {
    /// Bytes of all of them as they are, without the background's absence.
    pub(crate) fn bytes(&self) -> usize {
        let all = [Some(&self.training), self.held_out.as_ref()].into_iter().flatten();
        let tensors = all.flat_map(|taken| [&taken.images, &taken.classes]);
        tensors.map(|tensor| tensor.numel() * tensor.kind().elt_size_in_bytes()).sum()
    }
}

/// Images out of the set.
#[derive(Debug)]
pub(super) struct Taken {
    /// M x features, normalised.
    pub(super) images: Tensor,
    /// The same without their background, if it was asked for and they have one.
    pub(super) sparse: Option<Arc<SparseImages>>,
    /// Which of the images, in the run's order, N, Int64; none where it is all of them as they lie.
    pub(super) chosen: Option<Tensor>,
    /// Their true classes, N, Int64.
    pub(super) classes: Tensor,
    /// As long as it is there, other runs find the same images in memory.
    pub(super) users: Arc<()>,
}

impl<'a> SharedImages<'a> {
    /// Those of a set, none of them in memory yet.
    pub(crate) fn of(set: &'a ImageSet) -> SharedImages<'a> {
        let (mean, deviation) = moments(&set.images);
        SharedImages { set, mean, deviation, made: Mutex::default() }
    }

    /// The set.
    pub(crate) fn set(&self) -> &'a ImageSet {
        self.set
    }

    /// Those of a run, on that device.
    pub(crate) fn of_run(&self, plan: &RunPlan, device: Device) -> RunImages {
        let (kind, stream) = (plan.training.precision.kind(), plan.stream.kind());
        let begins_dense = !plan.network.sees_pixels();
        let leaves_out = TaskImages::leaves_out(begins_dense.then_some(plan.training.batch_size));
        // Tasks with another order of pixels have images of their own.
        let sparse = leaves_out && !stream.permutes_pixels;
        let held_out = || self.held_out(plan.data.test_images, plan.seed, kind, device);
        RunImages {
            training: self.training(plan.images(), plan.seed, kind, device, sparse),
            held_out: stream.true_labels.then(held_out).flatten(),
            leaves_out,
        }
    }

    /// How many images a run's first task shows, and how many it holds out.
    pub(super) fn counts(&self, plan: &RunPlan) -> [usize; 2] {
        let own = self.set.test.as_ref().map(|test| test.count);
        let held_out = own.or(plan.data.test_images).filter(|_| plan.stream.kind().true_labels);
        [plan.lengths().images_of(0), held_out.unwrap_or(0)]
    }

    /// The images that a run of that seed trains on; `sparse`: without their background, if there is one.
    pub(super) fn training(&self, count: usize, seed: u64, kind: Kind, device: Device, sparse: bool) -> Taken {
        let order = order(self.set, seed).narrow(0, 0, count as i64);
        let whole = count == self.set.count;
        let part = if whole { ImageChoice::Whole } else { ImageChoice::Drawn { first: 0, count, seed } };
        let classes = classes(self.set, &order).to_device(device);
        Taken { chosen: whole.then(|| order.to_device(device)), ..self.take(part, classes, kind, device, sparse) }
    }

    /// Images that nobody trains on: the set's own test images, or else the last `count` in the seed's order, of which a run
    /// trains on the first: what is trained on does not depend on whether some are held out. None where there are neither.
    pub(super) fn held_out(&self, count: Option<usize>, seed: u64, kind: Kind, device: Device) -> Option<Taken> {
        let (part, classes) = match (&self.set.test, count) {
            (Some(test), _) => (ImageChoice::Test, Tensor::from_slice(&test.labels).to_kind(Kind::Int64)),
            (None, Some(count)) => {
                let first = self.set.count - count;
                let drawn = order(self.set, seed).narrow(0, first as i64, count as i64);
                (ImageChoice::Drawn { first, count, seed }, classes(self.set, &drawn))
            }
            (None, None) => return None,
        };
        Some(self.take(part, classes.to_device(device), kind, device, false))
    }

    /// The images of a part, made if they are not there.
    fn take(&self, part: ImageChoice, classes: Tensor, kind: Kind, device: Device, sparse: bool) -> Taken {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |made: &Made| (made.part, made.kind, made.device) == (part, kind, device);
        made.retain(|made| made.users.strong_count() > 0 || [None, part.seed()].contains(&made.part.seed()));
        let place = made.iter().position(wanted).unwrap_or_else(|| {
            let dense = self.normalised(part, kind).to_device(device);
            made.push(Made { part, kind, device, dense, sparse: OnceCell::new(), users: Weak::new() });
            made.len() - 1
        });
        let found = &mut made[place];
        let users = found.users.upgrade().unwrap_or_default();
        found.users = Arc::downgrade(&users);
        let without = || SparseImages::of(&found.dense).map(Arc::new);
        let sparse = if sparse { found.sparse.get_or_init(without).clone() } else { None };
        Taken { images: found.dense.shallow_clone(), sparse, chosen: None, classes, users }
    }

    /// The images of a part, normalised by the moments of the images that are trained on.
    fn normalised(&self, part: ImageChoice, kind: Kind) -> Tensor {
        let from = if part == ImageChoice::Test { self.set.test.as_deref().unwrap_or(self.set) } else { self.set };
        let rows: Vec<i64> = match part {
            ImageChoice::Whole | ImageChoice::Test => (0..from.count as i64).collect(),
            ImageChoice::Drawn { first, count, seed } => {
                let drawn = order(self.set, seed).narrow(0, first as i64, count as i64);
                Vec::try_from(drawn).expect("an order is a list of numbers")
            }
        };
        let features = from.shape().features();
        let result = Tensor::empty([rows.len() as i64, features as i64], (kind, Device::Cpu));
        for (chunk, rows) in (0..).step_by(CHUNK).zip(rows.chunks(CHUNK)) {
            let pixels = rows.iter().map(|&row| &from.images[row as usize * features..][..features]);
            let pixels = Tensor::from_slice(&pixels.collect::<Vec<_>>().concat()).to_kind(Kind::Double);
            let values = ((pixels - self.mean) / self.deviation).to_kind(kind);
            result.narrow(0, chunk, rows.len() as i64).copy_(&values.view([-1, features as i64]));
        }
        result
    }
}

/// The seed's order of all images.
fn order(set: &ImageSet, seed: u64) -> Tensor {
    Generator::named("images", seed).permutation(set.count)
}

/// The true classes of the first `count` images in a seed's order of a set with these labels.
pub(crate) fn classes_of_run(labels: &[u8], count: usize, seed: u64) -> Vec<i64> {
    let order = Vec::<i64>::try_from(Generator::named("images", seed).permutation(labels.len()));
    let order = order.expect("an order is a list of numbers");
    order[..count].iter().map(|&place| labels[place as usize].into()).collect()
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
mod tests;
