//! Random-label classification (METHOD 1): fixed images, all labels redrawn uniformly at every task start, the first
//! included.

use tch::Tensor;
use trainability_baselines::{State, StateError, Stateful};

use super::{Entry, Lengths, Minibatch, Start, Stream};
use crate::random::Generator;

/// `random_labels`.
pub const ENTRY: Entry = Entry {
    name: "random_labels",
    about: "fixed images, all labels redrawn uniformly at every task",
    build: |start| Box::new(RandomLabels::new(start)),
};

/// The stream and its position.
#[derive(Debug)]
pub struct RandomLabels {
    lengths: Lengths,
    classes: i64,
    images: Tensor,
    labels: Tensor,
    label_generator: Generator,
    order_generator: Generator,
    order: Tensor,
    /// First image of the next minibatch in `order`; at the end a new epoch begins.
    position: usize,
}

impl RandomLabels {
    /// The stream before its first task.
    pub fn new(Start { images, classes, lengths, seed }: Start) -> RandomLabels {
        let count = images.size()[0] as usize;
        RandomLabels {
            lengths,
            classes,
            labels: Tensor::zeros([count as i64], (tch::Kind::Int64, tch::Device::Cpu)),
            images,
            label_generator: Generator::named("labels", seed),
            order_generator: Generator::named("order", seed),
            order: Tensor::arange(count as i64, (tch::Kind::Int64, tch::Device::Cpu)),
            position: count,
        }
    }

    fn count(&self) -> usize {
        self.images.size()[0] as usize
    }
}

impl Stream for RandomLabels {
    fn tasks(&self) -> usize {
        self.lengths.tasks
    }

    fn updates_per_task(&self) -> u64 {
        (self.lengths.epochs * self.count().div_ceil(self.lengths.batch_size)) as u64
    }

    fn begin_task(&mut self) {
        self.labels = self.label_generator.labels(self.count(), self.classes);
        self.position = self.count();
    }

    fn next_minibatch(&mut self) -> Minibatch {
        if self.position >= self.count() {
            self.order = self.order_generator.permutation(self.count());
            self.position = 0;
        }
        let length = self.lengths.batch_size.min(self.count() - self.position);
        let chosen = self.order.narrow(0, self.position as i64, length as i64);
        self.position += length;
        Minibatch { labels: self.labels.index_select(0, &chosen), rows: chosen }
    }

    fn images(&self) -> &Tensor {
        &self.images
    }

    fn labels(&self) -> &Tensor {
        &self.labels
    }
}

impl Stateful for RandomLabels {
    fn save(&self, state: &mut State) {
        state.put_tensor("labels", &self.labels);
        state.put_tensor("order", &self.order);
        state.put_value("position", &self.position);
        state.put_part("label_generator", &self.label_generator);
        state.put_part("order_generator", &self.order_generator);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let count = self.count();
        state.copy_indices_into("labels", &mut self.labels, self.classes)?;
        state.copy_indices_into("order", &mut self.order, count as i64)?;
        self.position = state.count("position", count as u64)? as usize;
        state.restore_part("label_generator", &mut self.label_generator)?;
        state.restore_part("order_generator", &mut self.order_generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(count: i64, batch_size: usize, seed: u64) -> RandomLabels {
        let images = Tensor::arange(count, (tch::Kind::Float, tch::Device::Cpu)).view([count, 1]);
        RandomLabels::new(Start { images, classes: 10, lengths: Lengths { tasks: 3, epochs: 2, batch_size }, seed })
    }

    fn ids(batch: &Minibatch) -> Vec<i64> {
        Vec::try_from(&batch.rows).unwrap()
    }

    #[test]
    fn every_epoch_shows_every_image_once_and_keeps_the_short_batch() {
        let mut stream = stream(10, 4, 0);
        assert_eq!(stream.updates_per_task(), 6);
        stream.begin_task();
        for _ in 0..2 {
            let batches: Vec<Vec<i64>> = (0..3).map(|_| ids(&stream.next_minibatch())).collect();
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
            let mut all = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn labels_are_redrawn_uniformly_and_stay_for_the_task() {
        let mut stream = stream(5000, 5000, 1);
        stream.begin_task();
        let first = stream.labels().copy();
        let batch = stream.next_minibatch();
        assert_eq!(batch.labels, first.index_select(0, &batch.rows));
        let counts: Vec<i64> = Vec::try_from(first.bincount(None::<Tensor>, 10)).unwrap();
        // 500 expected, standard deviation 21.
        assert!(counts.iter().all(|count| (400..600).contains(count)), "{counts:?}");
        stream.begin_task();
        let kept = first.eq_tensor(stream.labels()).sum(tch::Kind::Int64).int64_value(&[]);
        assert!((400..600).contains(&kept), "{kept} labels of 5000 stayed");
    }

    #[test]
    fn a_restored_stream_goes_on_in_the_middle_of_an_epoch() {
        let mut before = stream(10, 4, 7);
        before.begin_task();
        before.next_minibatch();
        let mut state = State::default();
        before.save(&mut state);
        let mut after = stream(10, 4, 8);
        after.restore(&state).unwrap();
        for _ in 0..5 {
            let (a, b) = (before.next_minibatch(), after.next_minibatch());
            assert_eq!((ids(&a), a.labels), (ids(&b), b.labels));
        }
        before.begin_task();
        after.begin_task();
        assert_eq!(before.labels(), after.labels());
    }
}
