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
    /// Epochs of all tasks up to each, itself included, where they are drawn.
    ends: Option<Arc<[u64]>>,
}

impl Lengths {
    /// Tasks of the same number of epochs. An epoch shows every image once, in minibatches of which the last may be
    /// shorter.
    pub fn equal(tasks: usize, epochs: usize, images: usize, batch_size: usize) -> Lengths {
        Lengths { tasks, epochs, images, batch_size, ends: None }
    }

    /// The same with the number of epochs of each task drawn uniformly from [`Lengths::range`], by the seed alone.
    pub(crate) fn with_spread(self, spread: f64, seed: u64) -> Lengths {
        let (least, most) = Lengths::range(self.epochs, spread);
        let mut generator = Generator::named("lengths", seed);
        let mut end = 0;
        let ends = (0..self.tasks).map(|_| {
            end += generator.0.random_range(least as u64..=most as u64);
            end
        });
        Lengths { ends: Some(ends.collect()), ..self }
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

    /// Updates of an epoch.
    pub(crate) fn updates_per_epoch(&self) -> u64 {
        self.images.div_ceil(self.batch_size) as u64
    }

    /// Updates of the tasks before this one; of all tasks where it is as large as their number.
    pub(crate) fn updates_before(&self, task: usize) -> u64 {
        let epochs = match &self.ends {
            None => (task * self.epochs) as u64,
            Some(ends) => task.checked_sub(1).map_or(0, |last| ends[last]),
        };
        epochs * self.updates_per_epoch()
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
        assert_eq!((lengths.updates_per_epoch(), lengths.updates()), (3, 18));
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
    fn no_task_is_without_an_epoch() {
        assert_eq!(Lengths::range(1, 0.9), (1, 2));
        assert_eq!(Lengths::range(5, 0.99), (1, 10));
    }
}
