//! One run: a learner on a stream of tasks, update by update.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;
use trainability_baselines::indicator::When;
use trainability_baselines::method::Method;
use trainability_record::{ControlRow, TaskRow};
use trainability_tensor::{Generator, State, StateError, Stateful};

use super::columns::control_row;
use super::images::{RunImages, SharedImages, Taken};
use super::plan::RunPlan;
use super::replicate::perturb;
use super::summary::TaskSummary;
use crate::data::ImageSet;
use crate::learner::{Diverged, Learner, LearnerError, LearnerOptions, Passed, Task, Update};
use crate::model::{Inputs, TaskImages};
use crate::schedule::Progress;
use crate::stream::{Stream, StreamStart};

/// The run left the real numbers. Its sentence counts tasks from 1, as people do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} is {value} in task {}, at update {update}; the last finite loss was {last_finite}", .task + 1)]
pub struct RunDiverged {
    /// What is not finite.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// The task, counted from 0.
    pub task: usize,
    /// The update, counted from 1.
    pub update: u64,
    /// Cross-entropy of the last minibatch that had a finite one.
    pub last_finite: f64,
}

/// What an update leaves to be written.
#[derive(Debug)]
pub struct Advance {
    /// A row of `controls.csv` for each layer, if the update was measured.
    pub controls: Vec<ControlRow>,
    /// The row of `tasks.csv`, if the update was its task's last.
    pub task: Option<TaskRow>,
}

/// What an update is made on.
pub(super) struct UpdateInputs {
    pub(super) inputs: Inputs,
    /// B, Int64.
    pub(super) labels: Tensor,
    /// Which of the stream's images they are, B, Int64.
    pub(super) rows: Tensor,
}

/// Everything that a run carries from one update to the next.
#[derive(Debug)]
pub struct Run {
    pub(super) stream: Stream,
    pub(super) images: TaskImages,
    /// As long as it is there, other runs find the same images in memory.
    _users: Arc<()>,
    held_out: Option<Taken>,
    pub(super) learner: Learner,
    /// Whether the learner is told that a task begins.
    announces: bool,
    task: usize,
    update_in_task: u64,
    summary: TaskSummary,
    seconds: BTreeMap<&'static str, f64>,
}

impl Run {
    /// Sets up the run that a plan describes.
    ///
    /// # Errors
    /// A method or a schedule that the network or the optimizer cannot serve.
    pub fn new(plan: &RunPlan, set: &ImageSet) -> Result<Run, LearnerError> {
        Run::sharing(plan, &SharedImages::of(set))
    }

    /// The same with images that other runs take too.
    ///
    /// # Errors
    /// As [`Run::new`].
    pub(crate) fn sharing(plan: &RunPlan, images: &SharedImages) -> Result<Run, LearnerError> {
        let device = plan
            .device
            .device()
            .unwrap_or_else(|expected| panic!("the device is {}, expected {expected}", plan.device));
        let set = images.set();
        let method = plan.method.build();
        let architecture = plan.architecture(set, &method);
        let Method { activation, normalization, rules, .. } = method;
        let mut initialisation = Generator::named("initialisation", plan.seed);
        let mut model = architecture.build(activation, normalization, device, &mut initialisation);
        perturb(model.layers_mut(), plan.training.replicate);
        let options = LearnerOptions {
            rules,
            optimizer: plan.training.optimizer_factory(),
            learning_rate: plan.training.learning_rate,
            schedule: plan.resolved.factory.clone(),
            bounds: plan.resolved.bounds,
            measure: plan.measure,
            seed: plan.seed,
        };
        let learner = Learner::assemble(model, initialisation, options)?;
        let RunImages { training: taken, held_out, leaves_out } = images.of_run(plan, device);
        Ok(Run {
            learner,
            images: TaskImages::shared(taken.images.shallow_clone(), taken.sparse, leaves_out),
            _users: taken.users,
            held_out,
            stream: Stream::new(StreamStart {
                kind: plan.stream.kind(),
                images: taken.images,
                chosen: taken.chosen,
                true_classes: taken.classes,
                classes: i64::from(set.classes),
                lengths: plan.lengths(),
                fraction: plan.stream.fraction,
                composition: plan.stream.composition(),
                seed: plan.seed,
            }),
            announces: plan.stream.announce_boundaries,
            task: 0,
            update_in_task: 0,
            summary: TaskSummary::default(),
            seconds: BTreeMap::new(),
        })
    }

    /// The learner.
    pub fn learner(&self) -> &Learner {
        &self.learner
    }

    /// Whether tasks are left.
    pub fn is_over(&self) -> bool {
        self.task == self.stream.lengths().tasks()
    }

    /// Tasks completed.
    pub fn tasks(&self) -> usize {
        self.task
    }

    /// Wall-clock seconds so far by part of the work.
    pub fn seconds(&self) -> &BTreeMap<&'static str, f64> {
        &self.seconds
    }

    /// Adds the time since `start` to a part of the work.
    pub(crate) fn count_seconds(&mut self, part: &'static str, start: Instant) {
        self.add_seconds(part, start.elapsed().as_secs_f64());
    }

    /// Adds seconds to a part of the work.
    pub(super) fn add_seconds(&mut self, part: &'static str, seconds: f64) {
        *self.seconds.entry(part).or_default() += seconds;
    }

    /// Makes the next update, and what belongs before the first and after the last of a task.
    ///
    /// # Errors
    /// The loss left the real numbers.
    pub fn advance(&mut self) -> Result<Advance, RunDiverged> {
        self.begin_task_if_due();
        let controls = self.update()?;
        self.end_task_if_due(controls)
    }

    /// Whether the next update is a task's first.
    pub(super) fn begins_task(&self) -> bool {
        self.update_in_task == 0
    }

    /// What belongs before a task's first update, if that is next.
    pub(super) fn begin_task_if_due(&mut self) {
        if self.begins_task() {
            self.begin_task();
        }
    }

    /// The next update from passes that were made elsewhere; none were where the loss left the real numbers.
    pub(super) fn finish_update(
        &mut self,
        passed: Result<Passed, Diverged>,
        labels: &Tensor,
        progress: Progress,
    ) -> Result<Advance, RunDiverged> {
        let task = task_of(&self.stream);
        let update = passed.map(|passed| self.learner.finish_update(passed, labels, progress, task));
        self.conclude(update, progress)
    }

    /// Takes note of an update, and does what belongs after it.
    pub(super) fn conclude(
        &mut self,
        update: Result<Update, Diverged>,
        progress: Progress,
    ) -> Result<Advance, RunDiverged> {
        let controls = self.take_in(update, progress)?;
        self.end_task_if_due(controls)
    }

    /// What belongs after an update, which may be the last of its task.
    fn end_task_if_due(&mut self, controls: Vec<ControlRow>) -> Result<Advance, RunDiverged> {
        let task = if self.has_made_task() { Some(self.end_task(i64::MAX)?) } else { None };
        Ok(Advance { controls, task })
    }

    /// Whether the task's last update was made.
    pub(super) fn has_made_task(&self) -> bool {
        self.update_in_task == self.stream.lengths().updates_of(self.task)
    }

    /// What belongs before a task's first update.
    pub(super) fn begin_task(&mut self) {
        self.summary = TaskSummary::default();
        self.stream.begin_task();
        if self.announces && self.task > 0 {
            self.learner.forget();
        }
        let start = Instant::now();
        self.learner.begin_task(self.task, task_of(&self.stream));
        self.count_seconds("surgery", start);
        self.read_indicators(When::TaskStart);
    }

    /// The next update of the task.
    pub(super) fn update(&mut self) -> Result<Vec<ControlRow>, RunDiverged> {
        let progress = self.next_progress();
        let UpdateInputs { inputs, labels, .. } = self.next_minibatch();
        let update = self.learner.update_in(inputs, &labels, progress, task_of(&self.stream));
        self.take_in(update, progress)
    }

    /// Where the next update stands, which is counted among the task's.
    pub(super) fn next_progress(&mut self) -> Progress {
        let lengths = self.stream.lengths();
        let progress = Progress {
            update: self.learner.updates(),
            updates: lengths.updates(),
            task: self.task as u64,
            update_in_task: self.update_in_task,
            updates_in_task: lengths.updates_of(self.task),
            updates_in_epoch: lengths.updates_per_epoch(self.task),
        };
        self.update_in_task += 1;
        progress
    }

    /// What the next update is made on.
    pub(super) fn next_minibatch(&mut self) -> UpdateInputs {
        let start = Instant::now();
        let batch = self.stream.next_minibatch();
        self.images.follow(self.stream.minibatch_images());
        let inputs = self.images.inputs(&batch.rows);
        self.count_seconds("data", start);
        UpdateInputs { inputs, labels: batch.labels, rows: batch.rows }
    }

    /// Takes note of an update that was made.
    fn take_in(
        &mut self,
        update: Result<Update, Diverged>,
        progress: Progress,
    ) -> Result<Vec<ControlRow>, RunDiverged> {
        // Counted from 1.
        let number = progress.update + 1;
        let update = update.map_err(|diverged| self.diverged("the loss", diverged.value, number))?;
        self.summary.add_accuracy(update.accuracy);
        for (part, seconds) in update.seconds {
            self.add_seconds(part, seconds);
        }
        let Some(measured) = update.measured else { return Ok(Vec::new()) };
        self.summary.add_bounds(&measured.layers);
        self.summary.add_indicators(When::MeasuredUpdate, &measured.indicators);
        Ok(measured.layers.into_iter().map(|layer| control_row(self.task, number, layer)).collect())
    }

    /// Takes note of updates that were made one after the other up to now, of which none was measured, from their losses and
    /// accuracies, and does what belongs after the last of them. `first` is where the first of them stood.
    ///
    /// # Errors
    /// A loss left the real numbers. What was made of the run from that update on is not counted.
    pub(super) fn conclude_all(
        &mut self,
        losses_and_accuracies: impl IntoIterator<Item = (f64, f64)>,
        first: Progress,
    ) -> Result<Advance, RunDiverged> {
        let mut progress = first;
        for (loss, accuracy) in losses_and_accuracies {
            let update = self.learner.check_loss(loss).map(|loss| Update { accuracy, loss, ..Update::default() });
            if let Err(diverged) = self.take_in(update, progress) {
                self.learner.count_no_further_than(progress.update);
                return Err(diverged);
            }
            progress.update += 1;
        }
        self.end_task_if_due(Vec::new())
    }

    /// What belongs after a task's last update. Of all images, and of those that are held out, the first `most` are evaluated.
    pub(super) fn end_task(&mut self, most: i64) -> Result<TaskRow, RunDiverged> {
        let start = Instant::now();
        let task = task_of(&self.stream);
        let (final_accuracy, final_loss) =
            self.learner.evaluate(task.count().min(most), |first, length| task.part(first, length));
        self.count_seconds("forward_backward", start);
        if !final_loss.is_finite() {
            return Err(self.diverged("the loss over the task", final_loss, self.learner.updates()));
        }
        self.read_indicators(When::TaskEnd);
        let start = Instant::now();
        let test_accuracy = self.test_accuracy(most);
        self.count_seconds("forward_backward", start);
        let updates = self.learner.updates();
        let row = self.summary.row(self.task, updates, final_accuracy, final_loss, test_accuracy);
        self.task += 1;
        self.update_in_task = 0;
        Ok(row)
    }

    fn read_indicators(&mut self, when: When) {
        let start = Instant::now();
        let values = self.learner.read_indicators(when, task_of(&self.stream));
        self.summary.add_indicators(when, &values);
        self.count_seconds("indicators", start);
    }

    /// Accuracy on the first `most` images that nobody trains on, of the classes that the task shows, as it shows and names them;
    /// none where there are none, or where labels say nothing of other images.
    fn test_accuracy(&self, most: i64) -> Option<f64> {
        let (held_out, content) = self.held_out.as_ref().zip(self.stream.content())?;
        let labels = content.labels_of_others(&held_out.classes)?;
        let rows = self.stream.of_shown_classes(&held_out.classes);
        let labels = rows.as_ref().map_or(labels.shallow_clone(), |rows| labels.index_select(0, rows));
        let held_out = Task { inputs: &held_out.images, chosen: rows.as_ref(), labels: &labels };
        let (accuracy, _) = self.learner.evaluate(held_out.count().min(most), |first, length| {
            let (images, labels) = held_out.part(first, length);
            (content.show(&images), labels)
        });
        (held_out.count() > 0).then_some(accuracy)
    }

    /// `update` is the last that was begun, counted from 1.
    fn diverged(&self, what: &'static str, value: f64, update: u64) -> RunDiverged {
        let last_finite = self.learner.last_finite_loss().unwrap_or(f64::NAN);
        RunDiverged { what, value, task: self.task, update, last_finite }
    }

    /// How far the run came: a task and an update that there are, or the run would never end.
    fn restore_place(&mut self, state: &State) -> Result<(), StateError> {
        let lengths = self.stream.lengths();
        let task = state.count("task", lengths.tasks() as u64)? as usize;
        let last = if lengths.tasks() == task { 0 } else { lengths.updates_of(task).saturating_sub(1) };
        let update_in_task = state.count("update_in_task", last)?;
        let expected = lengths.updates_before(task) + update_in_task;
        // A task's content is drawn at its first update.
        let place = match update_in_task {
            0 => (task, task.checked_sub(1).map_or(0, |before| lengths.updates_of(before))),
            made => (task + 1, made),
        };
        let (begun, given) = self.stream.place();
        let pairs = [
            ("learner/updates", self.learner.updates(), expected),
            ("stream/begun", begun as u64, place.0 as u64),
            ("stream/given", given, place.1),
        ];
        if let Some((name, found, expected)) = pairs.into_iter().find(|(_, found, expected)| found != expected) {
            let expected = format!("{expected}, which task and update_in_task make");
            return Err(StateError::mismatch(name, found, expected));
        }
        (self.task, self.update_in_task) = (task, update_in_task);
        Ok(())
    }
}

pub(super) fn task_of(stream: &Stream) -> Task<'_> {
    Task { inputs: stream.images(), chosen: stream.chosen(), labels: stream.labels() }
}

impl Stateful for Run {
    fn save(&self, state: &mut State) {
        state.put_part("stream", &self.stream);
        state.put_part("learner", &self.learner);
        state.put_value("task", &self.task);
        state.put_value("update_in_task", &self.update_in_task);
        state.put_part("summary", &self.summary);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.restore_part("stream", &mut self.stream)?;
        state.restore_part("learner", &mut self.learner)?;
        self.restore_place(state)?;
        state.restore_part("summary", &mut self.summary)
    }
}
