//! The sequence of tasks that a stream is: what each is about, in which order its images come, and the position in it.

use tch::{Kind, Tensor};
use trainability_tensor::{Generator, State, StateError, Stateful};

use super::content::{Content, Material, natural_order, restored_order};
use super::kind::StreamKind;
use super::lengths::Lengths;
use super::selection::Selection;
use super::start::{Composition, StreamStart};

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
    /// Of the images that the present task shows, n, Int64.
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
    /// Places among the images that the task shows, n, Int64.
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
    selection: Selection,
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
    /// The images of which the task shows some, as it shows them: M x features, or n x features where a sample of them lies in
    /// another order of pixels.
    images: Tensor,
    /// The rows of the originals that the task shows, n, Int64; none where it is all of them as they lie.
    shown: Option<Tensor>,
    /// The task's images and below them the same as the task before showed them, while there is a transition between orders of
    /// pixels.
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
            selection: Selection::of(composition, &true_classes, seed),
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
            shown: chosen.as_ref().map(Tensor::shallow_clone),
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
        self.enter(content, last.map(|task| task.content));
    }

    /// Sets up a task that begins or is restored, with the content of the task before.
    fn enter(&mut self, content: Content, before: Option<Content>) {
        let places = self.selection.places(self.content_of());
        if let Some(places) = places.as_ref().filter(|places| places.size() != self.order.size()) {
            // An order of as many images, until the first minibatch draws one.
            self.order = natural_order(places.numel());
        }
        let before = before.filter(|_| self.old_share() > 0.0);
        self.before = before.map(|content| self.written_out(content, places.as_ref()));
        self.task = Some(self.written_out(content, places.as_ref()));
        self.shown = match (&self.chosen, places.map(|places| places.to_device(self.originals.device()))) {
            (Some(chosen), Some(places)) => Some(chosen.index_select(0, &places)),
            (chosen, places) => places.or_else(|| chosen.as_ref().map(Tensor::shallow_clone)),
        };
        self.lay_out();
    }

    /// The first task whose content the present one has.
    fn content_of(&self) -> usize {
        let task = self.begun - 1;
        task.checked_rem(self.composition.recurring).unwrap_or(task)
    }

    /// The next minibatch of the task.
    pub(crate) fn next_minibatch(&mut self) -> Minibatch {
        let Cut { first, length, old } = self.next_cut();
        if self.laid_out.is_none() {
            let places = self.order.to_device_(self.originals.device(), Kind::Int64, true, false);
            let rows = self.chosen().map(|chosen| chosen.index_select(0, &places));
            let rows = rows.unwrap_or_else(|| places.shallow_clone());
            self.laid_out = Some(EpochOrder { labels: self.labels().index_select(0, &places), rows, places });
        }
        let of_epoch = self.laid_out.as_ref().expect("it was laid out");
        let [places, rows, labels] =
            [&of_epoch.places, &of_epoch.rows, &of_epoch.labels].map(|all| all.narrow(0, first, length));
        let Some((old, before)) = old.zip(self.before.as_ref()) else { return Minibatch { rows, labels } };
        let labels = before.labels.index_select(0, &places).where_self(&old, &labels);
        let below = old.to_kind(Kind::Int64) * self.images.size()[0];
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
        let count = self.lengths.images_of(self.begun - 1);
        let place = (self.given % self.lengths.updates_per_epoch(self.begun - 1)) as usize;
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

    /// Lays out the images as the task shows them, where that is not as they are: of a sample, those alone.
    fn lay_out(&mut self) {
        self.stack = None;
        let Some(DrawnTask { content, .. }) = self.task.as_ref().filter(|task| task.content.pixels.is_some()) else {
            return;
        };
        let originals = match self.shown.as_ref().filter(|_| self.shows_a_part()) {
            None => self.originals.shallow_clone(),
            Some(shown) => self.originals.index_select(0, shown),
        };
        self.images = match &self.before {
            None => content.show(&originals),
            Some(before) => {
                let (count, features) = originals.size2().expect("images are a matrix");
                let stack = Tensor::empty([2 * count, features], (originals.kind(), originals.device()));
                stack.narrow(0, 0, count).copy_(&content.show(&originals));
                stack.narrow(0, count, count).copy_(&before.content.show(&originals));
                let images = stack.narrow(0, 0, count);
                self.stack = Some(stack);
                images
            }
        };
    }

    /// A content with what it calls the images at these places, or all of them.
    fn written_out(&self, content: Content, places: Option<&Tensor>) -> DrawnTask {
        let labels = content.labels(&self.true_classes).to_device(self.originals.device());
        let labels = match places {
            None => labels,
            Some(places) => labels.index_select(0, &places.to_device(labels.device())),
        };
        DrawnTask { labels, content }
    }

    /// Whether tasks show a part of the images each.
    fn shows_a_part(&self) -> bool {
        self.composition.sample.is_some() || self.composition.classes_per_task.is_some()
    }

    /// Whether the images of a task are laid out without those that it does not show.
    fn is_laid_out_alone(&self) -> bool {
        self.shows_a_part() && self.content().is_some_and(|content| content.pixels.is_some())
    }

    /// Images as the task shows them, M x features, or n x features where they are those alone that it shows. Nobody writes to
    /// them: other images are another tensor.
    pub fn images(&self) -> &Tensor {
        &self.images
    }

    /// Which of them the task shows, in the order of its labels, n, Int64; none where it is all as they lie.
    pub(crate) fn chosen(&self) -> Option<&Tensor> {
        self.shown.as_ref().filter(|_| !self.is_laid_out_alone())
    }

    /// The rows of the images as they came, M of them, that the task shows, in the order of its labels; none where it is all of
    /// them as they lie.
    pub(crate) fn shown(&self) -> Option<&Tensor> {
        self.shown.as_ref()
    }

    /// The same of rows of a minibatch outside of a transition.
    pub(crate) fn original_rows(&self, rows: &Tensor) -> Tensor {
        match self.shown.as_ref().filter(|_| self.is_laid_out_alone()) {
            None => rows.shallow_clone(),
            Some(shown) => shown.index_select(0, rows),
        }
    }

    /// Which of some images, whose true classes are these, are of a class that the task shows, Int64; none where it shows all
    /// classes.
    pub(crate) fn of_shown_classes(&self, classes: &Tensor) -> Option<Tensor> {
        let shown = self.selection.classes(self.content_of())?;
        let of_class = shown.iter().map(|class| classes.eq(*class));
        Some(of_class.reduce(|any, next| any.logical_or(&next))?.nonzero().squeeze_dim(1))
    }

    /// The labels of the images that the task shows, n.
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
        let images = self.begun.checked_sub(1).map_or(self.material.images, |task| self.lengths.images_of(task));
        self.order = restored_order(state, "order", images)?;
        state.restore_part("source", &mut self.source)?;
        state.restore_part("order_generator", &mut self.order_generator)?;
        state.restore_part("transition_generator", &mut self.transition_generator)?;
        // Of the same kind, and so with content of the same form.
        let restored = |name: &str| -> Result<Content, StateError> {
            let mut generator = Generator::named(self.kind.generator, self.material.seed);
            let mut content = (self.kind.draw)(&self.material, &mut generator, None);
            state.restore_part(name, &mut content)?;
            Ok(content)
        };
        let task = if self.begun > 0 { Some(restored("task")?) } else { None };
        let before = if self.old_share() > 0.0 { Some(restored("before")?) } else { None };
        self.laid_out = None;
        self.images = self.originals.shallow_clone();
        match task {
            Some(task) => self.enter(task, before),
            None => (self.task, self.before, self.stack) = (None, None, None),
        }
        Ok(())
    }
}
