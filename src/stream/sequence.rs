//! The sequence of tasks that a stream is: what each is about, in which order its images come, and the position in it.

use tch::{Kind, Tensor};
use trainability_tensor::{Generator, State, StateError, Stateful};

use super::content::{Content, Material, natural_order, restored_order};
use super::kind::StreamKind;
use super::lengths::Lengths;
use super::random_labels;

/// Options that every kind of stream composes with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Composition {
    /// n: task k has the content of task k mod n; 0 is never.
    pub recurring: usize,
    /// The share of a task's updates, the first task excepted, over which the content of the task before gives way: before
    /// it is over, each sample of a minibatch has its old label and its old image with probability 1 - u / (share times
    /// updates of the task), u being the task's updates made so far, and the new ones otherwise.
    pub transition: f64,
}

/// What a stream is built from.
#[derive(Debug)]
pub struct StreamStart {
    /// The kind.
    pub kind: &'static StreamKind,
    /// M x features, normalised. Others may hold them too: nobody writes to them.
    pub images: Tensor,
    /// Which of them the tasks are about, in this order, N, Int64; none where it is all of them as they lie.
    pub chosen: Option<Tensor>,
    /// The true class of each of these, N, Int64.
    pub true_classes: Tensor,
    /// How many classes there are.
    pub classes: i64,
    /// How it is cut.
    pub lengths: Lengths,
    /// The share of the labels that a task redraws; for kinds that take it.
    pub fraction: f64,
    /// Recurrence and gradual change.
    pub composition: Composition,
    /// Content, order and mixture follow from it alone.
    pub seed: u64,
}

impl StreamStart {
    /// Random labels, all of them at every task, for images (N x features).
    pub fn random_labels(images: Tensor, classes: i64, lengths: Lengths, seed: u64) -> StreamStart {
        StreamStart {
            kind: &random_labels::KIND,
            true_classes: Tensor::zeros([images.size()[0]], (Kind::Int64, images.device())),
            images,
            chosen: None,
            classes,
            lengths,
            fraction: 1.0,
            composition: Composition::default(),
            seed,
        }
    }
}

/// One minibatch.
#[derive(Debug)]
pub struct Minibatch {
    /// Which of `Stream::minibatch_images`, B, Int64.
    pub rows: Tensor,
    /// The labels that the learner is given, B, Int64.
    pub labels: Tensor,
}

/// A task with its labels written out.
#[derive(Debug)]
struct DrawnTask {
    content: Content,
    /// N, Int64.
    labels: Tensor,
}

/// Where a minibatch lies.
struct Cut {
    first: i64,
    length: i64,
    /// Which of its samples are of the task before, B, in a transition.
    old: Option<Tensor>,
}

/// Where in its task a stream is.
pub(crate) struct StreamPlace {
    given: u64,
    order: Tensor,
    order_generator: Generator,
    transition_generator: Generator,
    in_transition: bool,
}

/// One epoch, on the device of the images: a minibatch is a part of each list, for which nothing has to be computed.
#[derive(Debug)]
struct EpochOrder {
    /// Places among the images that the task is about, N, Int64.
    places: Tensor,
    /// Their rows in the task's images.
    rows: Tensor,
    /// Their labels.
    labels: Tensor,
}

/// A sequence of tasks, and the position in it.
#[derive(Debug)]
pub struct Stream {
    kind: &'static StreamKind,
    material: Material,
    composition: Composition,
    lengths: Lengths,
    /// The images as they are, M x features.
    originals: Tensor,
    /// Which of them this is about, N, Int64, if not all as they lie.
    chosen: Option<Tensor>,
    true_classes: Tensor,
    source: Generator,
    order_generator: Generator,
    transition_generator: Generator,
    /// Tasks begun.
    begun: usize,
    /// Minibatches given in the task.
    given: u64,
    order: Tensor,
    /// The epoch's order where the images are, once a minibatch of it was asked for.
    laid_out: Option<EpochOrder>,
    /// None before the first task.
    task: Option<DrawnTask>,
    /// The task before, while there is a transition from it.
    before: Option<DrawnTask>,
    /// The task's images, M x features.
    images: Tensor,
    /// The task's images and below them the same as the task before showed them, 2M x features, while there is a transition
    /// between orders of pixels.
    stack: Option<Tensor>,
}

impl Stream {
    /// The stream before its first task.
    pub fn new(start: StreamStart) -> Stream {
        let StreamStart { kind, images, chosen, true_classes, classes, lengths, fraction, composition, seed } = start;
        let (count, features) = (true_classes.size()[0] as usize, images.size()[1] as usize);
        let material = Material { images: count, features, classes, fraction, seed };
        Stream {
            kind,
            material,
            composition,
            lengths,
            true_classes,
            source: Generator::named(kind.generator, seed),
            order_generator: Generator::named("order", seed),
            transition_generator: Generator::named("transition", seed),
            begun: 0,
            given: 0,
            order: natural_order(count),
            laid_out: None,
            task: None,
            before: None,
            images: images.shallow_clone(),
            originals: images,
            chosen,
            stack: None,
        }
    }

    /// How it is cut.
    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// Tasks begun, and minibatches given in the last of them.
    pub fn place(&self) -> (usize, u64) {
        (self.begun, self.given)
    }

    /// Goes on to the next task.
    pub(crate) fn begin_task(&mut self) {
        // A cycle that begins again is drawn again from the beginning: the same bits, and nothing to remember.
        let restarts =
            self.begun > 0 && self.composition.recurring > 0 && self.begun.is_multiple_of(self.composition.recurring);
        if restarts {
            self.source = Generator::named(self.kind.generator, self.material.seed);
        }
        let last = self.task.take();
        let before = last.as_ref().filter(|_| !restarts).map(|task| &task.content);
        let content = (self.kind.draw)(&self.material, &mut self.source, before);
        self.begun += 1;
        self.given = 0;
        self.laid_out = None;
        self.before = last;
        self.task = Some(self.written_out(content));
        self.lay_out();
    }

    /// The next minibatch of the task.
    pub(crate) fn next_minibatch(&mut self) -> Minibatch {
        let Cut { first, length, old } = self.next_cut();
        if self.laid_out.is_none() {
            let places = self.order.to_device_(self.originals.device(), Kind::Int64, true, false);
            let rows = self.chosen.as_ref().map(|chosen| chosen.index_select(0, &places));
            let rows = rows.unwrap_or_else(|| places.shallow_clone());
            self.laid_out = Some(EpochOrder { labels: self.labels().index_select(0, &places), rows, places });
        }
        let of_epoch = self.laid_out.as_ref().expect("it was laid out");
        let [places, rows, labels] =
            [&of_epoch.places, &of_epoch.rows, &of_epoch.labels].map(|all| all.narrow(0, first, length));
        let Some((old, before)) = old.zip(self.before.as_ref()) else { return Minibatch { rows, labels } };
        let labels = before.labels.index_select(0, &places).where_self(&old, &labels);
        let below = old.to_kind(Kind::Int64) * self.originals.size()[0];
        Minibatch { rows: if self.stack.is_some() { rows + below } else { rows }, labels }
    }

    /// Goes to where another stream is that [was alike](Stream::is_alike) and has given a minibatch since, without one of its own.
    pub(crate) fn follow(&mut self, place: StreamPlace) {
        let StreamPlace { given, order, order_generator, transition_generator, in_transition } = place;
        (self.given, self.order, self.laid_out) = (given, order, None);
        (self.order_generator, self.transition_generator) = (order_generator, transition_generator);
        if self.before.is_some() && !in_transition {
            self.end_transition();
        }
    }

    /// Where in its task it is, for others to follow.
    pub(crate) fn within_task(&self) -> StreamPlace {
        StreamPlace {
            given: self.given,
            order: self.order.shallow_clone(),
            order_generator: self.order_generator.clone(),
            transition_generator: self.transition_generator.clone(),
            in_transition: self.before.is_some(),
        }
    }

    /// Where the next minibatch lies in the epoch's order; draws what has to be drawn for it.
    fn next_cut(&mut self) -> Cut {
        let count = self.material.images;
        let place = (self.given % self.lengths.updates_per_epoch()) as usize;
        if place == 0 {
            self.order = self.order_generator.permutation(count);
            self.laid_out = None;
        }
        if self.before.is_some() && self.old_share() == 0.0 {
            self.end_transition();
        }
        let first = place * self.lengths.batch_size();
        let length = self.lengths.batch_size().min(count - first);
        let share = self.old_share();
        let device = self.originals.device();
        let mut events = || self.transition_generator.events(length, share).to_device_(device, Kind::Bool, true, false);
        let old = (share > 0.0).then(&mut events);
        self.given += 1;
        Cut { first: first as i64, length: length as i64, old }
    }

    /// Whether another stream gives the same minibatches from here on, out of the same memory.
    pub(crate) fn is_alike(&self, other: &Stream) -> bool {
        let kind = self.kind.generator == other.kind.generator && self.kind.name == other.kind.name;
        let cut = self.lengths == other.lengths && self.composition == other.composition;
        let images = self.originals.data_ptr() == other.originals.data_ptr();
        kind && cut && images && self.material == other.material && self.place() == other.place()
    }

    /// The probability with which a sample of the next minibatch is one of the task before.
    fn old_share(&self) -> f64 {
        if self.begun < 2 || self.composition.transition == 0.0 {
            return 0.0;
        }
        let length = self.composition.transition * self.lengths.updates_of(self.begun - 1) as f64;
        (1.0 - self.given as f64 / length).max(0.0)
    }

    /// Forgets the task before.
    fn end_transition(&mut self) {
        self.before = None;
        if self.stack.take().is_some() {
            // No longer a part of the stack, which would stay in memory.
            self.images = self.images.copy();
        }
    }

    /// Sets up the images of a task that begins or is restored. Without a transition the task before is forgotten.
    fn lay_out(&mut self) {
        if self.old_share() == 0.0 {
            self.before = None;
        }
        self.stack = None;
        let Some(DrawnTask { content, .. }) = self.task.as_ref().filter(|task| task.content.pixels.is_some()) else {
            return;
        };
        self.images = match &self.before {
            None => content.show(&self.originals),
            Some(before) => {
                let count = self.originals.size()[0];
                let stack = Tensor::empty(
                    [2 * count, self.originals.size()[1]],
                    (self.originals.kind(), self.originals.device()),
                );
                stack.narrow(0, 0, count).copy_(&content.show(&self.originals));
                stack.narrow(0, count, count).copy_(&before.content.show(&self.originals));
                let images = stack.narrow(0, 0, count);
                self.stack = Some(stack);
                images
            }
        };
    }

    fn written_out(&self, content: Content) -> DrawnTask {
        DrawnTask { labels: content.labels(&self.true_classes).to_device(self.originals.device()), content }
    }

    /// The images as the task shows them, M x features. Nobody writes to them: other images are another tensor.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// Which of them the task is about, in the order of its labels, N, Int64; none where it is all as they lie.
    pub(crate) fn chosen(&self) -> Option<&Tensor> {
        self.chosen.as_ref()
    }

    /// The labels of the images that the task is about, N.
    ///
    /// # Panics
    /// Before the first task.
    pub fn labels(&self) -> &Tensor {
        &self.task.as_ref().expect("a task has begun").labels
    }

    /// The images that the rows of minibatches point to: those of the task, M x features, followed by those of the task
    /// before while there is a transition between orders of pixels. Other images are another tensor.
    pub(crate) fn minibatch_images(&self) -> &Tensor {
        self.stack.as_ref().unwrap_or(&self.images)
    }

    /// The task's content, none before the first.
    pub fn content(&self) -> Option<&Content> {
        self.task.as_ref().map(|task| &task.content)
    }
}

impl Stateful for Stream {
    fn save(&self, state: &mut State) {
        state.put_value("begun", &self.begun);
        state.put_value("given", &self.given);
        state.put_tensor("order", &self.order);
        state.put_part("source", &self.source);
        state.put_part("order_generator", &self.order_generator);
        state.put_part("transition_generator", &self.transition_generator);
        let before = self.before.as_ref().filter(|_| self.old_share() > 0.0);
        for (name, task) in [("task", self.task.as_ref()), ("before", before)] {
            if let Some(task) = task {
                state.put_part(name, &task.content);
            }
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.begun = state.count("begun", self.lengths.tasks() as u64)? as usize;
        let most = self.begun.checked_sub(1).map_or(0, |task| self.lengths.updates_of(task));
        self.given = state.count("given", most)?;
        self.order = restored_order(state, "order", self.material.images)?;
        state.restore_part("source", &mut self.source)?;
        state.restore_part("order_generator", &mut self.order_generator)?;
        state.restore_part("transition_generator", &mut self.transition_generator)?;
        // Of the same kind, and so with content of the same form.
        let restored = |name: &str| -> Result<DrawnTask, StateError> {
            let mut generator = Generator::named(self.kind.generator, self.material.seed);
            let mut content = (self.kind.draw)(&self.material, &mut generator, None);
            state.restore_part(name, &mut content)?;
            Ok(self.written_out(content))
        };
        let task = if self.begun > 0 { Some(restored("task")?) } else { None };
        let before = if self.old_share() > 0.0 { Some(restored("before")?) } else { None };
        (self.task, self.before) = (task, before);
        self.laid_out = None;
        self.images = self.originals.shallow_clone();
        self.lay_out();
        Ok(())
    }
}
