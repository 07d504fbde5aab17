//! Which of a run's images a task shows: all of them, those of some classes, or a sample that every task draws for itself.

use std::collections::BTreeSet;

use tch::Tensor;
use trainability_tensor::Generator;

use super::start::Composition;

/// What a task shows, for every task: all of it follows from the images' true classes and the seed, so that nothing has to be
/// remembered.
#[derive(Debug)]
pub(super) struct Selection {
    images: usize,
    /// Where tasks show some classes each: task k those of the k-th group.
    groups: Option<Vec<ClassGroup>>,
    sample: Option<usize>,
    seed: u64,
}

/// Some classes and their images.
#[derive(Debug, PartialEq)]
struct ClassGroup {
    /// Ascending.
    classes: Vec<i64>,
    /// Places among the run's images, ascending.
    places: Vec<i64>,
}

/// Groups of so many classes each, the last perhaps of fewer: those that an image has, in an order drawn from the seed. The
/// classes are those of the run's images, one after the other.
fn groups(classes: &[i64], per_task: usize, seed: u64) -> Vec<ClassGroup> {
    let present: Vec<i64> = classes.iter().copied().collect::<BTreeSet<i64>>().into_iter().collect();
    let order = Generator::named("class_order", seed).permutation(present.len());
    let order: Vec<i64> = Vec::<i64>::try_from(order).expect("an order is a list of numbers");
    let group = |chunk: &[i64]| {
        let own: BTreeSet<i64> = chunk.iter().map(|&place| present[place as usize]).collect();
        let places = (0i64..).zip(classes).filter(|(_, class)| own.contains(class)).map(|(place, _)| place).collect();
        ClassGroup { classes: own.into_iter().collect(), places }
    };
    order.chunks(per_task).map(group).collect()
}

/// How many images each group of classes has, in the order of the tasks that show them.
pub(crate) fn group_sizes(classes: &[i64], per_task: usize, seed: u64) -> Vec<usize> {
    groups(classes, per_task, seed).iter().map(|group| group.places.len()).collect()
}

impl Selection {
    /// Of a run on images of these true classes, N, Int64.
    pub(super) fn of(composition: Composition, classes: &Tensor, seed: u64) -> Selection {
        let listed = || Vec::<i64>::try_from(classes).expect("classes are a list of numbers");
        let groups = composition.classes_per_task.map(|per_task| groups(&listed(), per_task, seed));
        Selection { images: classes.size()[0] as usize, groups, sample: composition.sample, seed }
    }

    /// The places, among the run's images, of those that a task shows, n, Int64; none where it shows all. `content` is the first
    /// task that has the same content: where tasks recur their samples do too.
    pub(super) fn places(&self, content: usize) -> Option<Tensor> {
        let group = self.groups.as_ref().map(|groups| &groups[content].places);
        let Some(sample) = self.sample else { return group.map(|places| Tensor::from_slice(places)) };
        let from = group.map_or(self.images, Vec::len);
        let drawn = Generator::named(&format!("sample/{content}"), self.seed).permutation(from);
        let drawn = drawn.narrow(0, 0, sample as i64);
        Some(group.map_or_else(|| drawn.copy(), |places| Tensor::from_slice(places).index_select(0, &drawn)))
    }

    /// The classes that a task shows; none where it is all of them.
    pub(super) fn classes(&self, content: usize) -> Option<&[i64]> {
        self.groups.as_ref().map(|groups| &groups[content].classes[..])
    }
}
