//! How a stream is cut into tasks, epochs and minibatches.

use std::sync::Arc;

use rand::RngExt;

use trainability_tensor::Generator;

/// Tasks and their updates, known from the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lengths {
    tasks: usize,
    epochs: usize,
    images: usize,
    batch_size: usize,
    /// Where tasks differ.
    each: Option<Arc<[TaskLength]>>,
}

/// One of tasks that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TaskLength {
    images: usize,
    /// Updates of all tasks up to this one, itself included.
    end: u64,
}

impl Lengths {
    /// Tasks of the same number of epochs. An epoch shows every image once, in minibatches of which the last may be
    /// shorter.
    pub fn equal(tasks: usize, epochs: usize, images: usize, batch_size: usize) -> Lengths {
        Lengths { tasks, epochs, images, batch_size, each: None }
    }

    /// The same with the number of epochs of each task drawn uniformly from [`Lengths::range`], by the seed alone.
    pub(crate) fn with_spread(self, spread: f64, seed: u64) -> Lengths {
        let (least, most) = Lengths::range(self.epochs, spread);
        let mut generator = Generator::named("lengths", seed);
        let drawn = |task| (self.images_of(task), generator.0.random_range(least as u64..=most as u64));
        let each = self.cut(drawn);
        Lengths { each: Some(each), ..self }
    }

    /// The same with so many images in each task, the first following on the last.
    pub(crate) fn with_images(self, images: &[usize]) -> Lengths {
        let each = self.cut(|task| (images[task % images.len()], self.epochs as u64));
        Lengths { each: Some(each), ..self }
    }

    /// Tasks of so many images and epochs.
    fn cut(&self, mut of_task: impl FnMut(usize) -> (usize, u64)) -> Arc<[TaskLength]> {
        let mut end = 0;
        let mut of_task = |task| {
            let (images, epochs) = of_task(task);
            end += epochs * images.div_ceil(self.batch_size) as u64;
            TaskLength { images, end }
        };
        (0..self.tasks).map(&mut of_task).collect()
    }

    /// The fewest and the most epochs of a task: the mean times one minus and one plus the spread, rounded, at least 1.
    pub fn range(epochs: usize, spread: f64) -> (usize, usize) {
        let rounded = |factor: f64| ((epochs as f64 * factor).round() as usize).max(1);
        (rounded(1.0 - spread), rounded(1.0 + spread))
    }

    /// Tasks of the whole run.
    pub fn tasks(&self) -> usize {
        self.tasks
    }

    /// Images in a minibatch that is not an epoch's last.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// Images of a task, counted from 0: what an epoch of it shows.
    pub(crate) fn images_of(&self, task: usize) -> usize {
        self.each.as_ref().map_or(self.images, |each| each[task].images)
    }

    /// Updates of an epoch of a task.
    pub(crate) fn updates_per_epoch(&self, task: usize) -> u64 {
        self.images_of(task).div_ceil(self.batch_size) as u64
    }

    /// Updates of the tasks before this one; of all tasks where it is as large as their number.
    pub(crate) fn updates_before(&self, task: usize) -> u64 {
        match &self.each {
            None => (task * self.epochs) as u64 * self.images.div_ceil(self.batch_size) as u64,
            Some(each) => task.checked_sub(1).map_or(0, |last| each[last].end),
        }
    }

    /// Updates of a task, counted from 0.
    pub(crate) fn updates_of(&self, task: usize) -> u64 {
        self.updates_before(task + 1) - self.updates_before(task)
    }

    /// Updates of the whole run.
    pub fn updates(&self) -> u64 {
        self.updates_before(self.tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tasks_by_hand() {
        let lengths = Lengths::equal(3, 2, 10, 4);
        assert_eq!((lengths.updates_per_epoch(2), lengths.updates()), (3, 18));
        assert_eq!(
            [0, 1, 2].map(|task| (lengths.updates_before(task), lengths.updates_of(task))),
            [(0, 6), (6, 6), (12, 6)]
        );
    }

    #[test]
    fn drawn_tasks_lie_in_their_range_with_its_mean_and_add_up() {
        let lengths = Lengths::equal(4000, 10, 10, 4).with_spread(0.35, 7);
        assert_eq!(Lengths::range(10, 0.35), (7, 14), "6.5 and 13.5, rounded");
        let epochs: Vec<u64> = (0..4000).map(|task| lengths.updates_of(task) / 3).collect();
        let mut counts = [0; 15];
        epochs.iter().for_each(|epochs| counts[*epochs as usize] += 1);
        assert_eq!(counts[..7], [0; 7]);
        // 500 expected, standard deviation 21.
        assert!(counts[7..].iter().all(|count| (400..600).contains(count)), "{counts:?}");
        assert_eq!(lengths.updates(), 3 * epochs.iter().sum::<u64>());
        for task in [1, 2, 999, 4000] {
            assert_eq!(lengths.updates_before(task), 3 * epochs[..task].iter().sum::<u64>());
        }
        assert_eq!(lengths, Lengths::equal(4000, 10, 10, 4).with_spread(0.35, 7));
        assert_ne!(lengths, Lengths::equal(4000, 10, 10, 4).with_spread(0.35, 8));
    }

    #[test]
    fn tasks_of_different_images_by_hand() {
        let lengths = Lengths::equal(5, 2, 10, 4).with_images(&[9, 4, 1]);
        assert_eq!([0, 1, 2, 3, 4].map(|task| lengths.images_of(task)), [9, 4, 1, 9, 4]);
        assert_eq!([0, 1, 2, 3, 4].map(|task| lengths.updates_per_epoch(task)), [3, 1, 1, 3, 1]);
        assert_eq!([0, 1, 2, 3, 4].map(|task| lengths.updates_of(task)), [6, 2, 2, 6, 2]);
        assert_eq!((lengths.updates_before(3), lengths.updates()), (10, 18));
        // Epochs are drawn as they are for tasks of equal images.
        let (equal, own) = (Lengths::equal(5, 4, 4, 4).with_spread(0.5, 7), lengths.with_spread(0.5, 7));
        let own_epochs = |task: usize| own.updates_of(task) / own.updates_per_epoch(task);
        assert_eq!(own.images_of(2), 1);
        let same = Lengths::equal(5, 4, 10, 4).with_images(&[9, 4, 1]).with_spread(0.5, 7);
        for task in 0..5 {
            assert_eq!(same.updates_of(task), equal.updates_of(task) * same.updates_per_epoch(task));
            assert!((1..=3).contains(&own_epochs(task)));
        }
    }

    #[test]
    fn no_task_is_without_an_epoch() {
        assert_eq!(Lengths::range(1, 0.9), (1, 2));
        assert_eq!(Lengths::range(5, 0.99), (1, 10));
    }
}
