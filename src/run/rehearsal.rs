//! A run in short: a few updates of each sort and a task's start and end, to learn what the whole would cost.

use std::time::Instant;

use trainability_record::{ControlRow, TaskRow};
use trainability_tensor::{State, Stateful};

use super::checkpoint;
use super::images::SharedImages;
use super::plan::RunPlan;
use super::training::Run;
use crate::learner::EVALUATION_CHUNK;

/// What the parts of a run take: seconds, and bytes of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    /// Seconds before the first task, those for the images excepted.
    pub(crate) set_up: f64,
    /// Seconds of a task's start and end.
    pub(crate) task: f64,
    /// Seconds of an update that is not measured, the mean over an epoch.
    pub(crate) plain: f64,
    /// Seconds of a measured update.
    pub(crate) measured: f64,
    /// Bytes of a row of `tasks.csv`.
    pub(crate) task_row: f64,
    /// Bytes of a measured update's rows of `controls.csv`.
    pub(crate) control_rows: f64,
    /// Bytes of a checkpoint.
    pub(crate) checkpoint: f64,
}

impl Parts {
    /// The mean of several, if there are any.
    pub(crate) fn mean(parts: &[Parts]) -> Option<Parts> {
        let of = |part: fn(&Parts) -> f64| parts.iter().map(part).sum::<f64>() / parts.len() as f64;
        (!parts.is_empty()).then(|| Parts {
            set_up: of(|parts| parts.set_up),
            task: of(|parts| parts.task),
            plain: of(|parts| parts.plain),
            measured: of(|parts| parts.measured),
            task_row: of(|parts| parts.task_row),
            control_rows: of(|parts| parts.control_rows),
            checkpoint: of(|parts| parts.checkpoint),
        })
    }

    /// Those of a run with so many times the work and so many times the numbers to keep.
    pub(crate) fn scaled(self, work: f64, size: f64) -> Parts {
        Parts {
            set_up: self.set_up * size,
            task: self.task * work,
            plain: self.plain * work,
            measured: self.measured * work,
            checkpoint: self.checkpoint * size,
            ..self
        }
    }
}

/// How a run is rehearsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rehearsal {
    /// The run measures at least every so many updates, if it measures at all.
    pub(crate) interval: u64,
    /// Seconds for which it goes on once every sort of update has been made.
    pub(crate) seconds: f64,
}

/// Measured updates of which the first, which takes memory up, is not counted.
const LEAST_MEASURED: usize = 2;

/// The seconds of one sort of work.
#[derive(Debug, Default)]
struct Samples(Vec<f64>);

impl Samples {
    /// The mean of all but the first, in which memory is taken up and caches are cold.
    fn mean(&self) -> Option<f64> {
        let settled = if self.0.len() > 1 { &self.0[1..] } else { &self.0 };
        (!settled.is_empty()).then(|| settled.iter().sum::<f64>() / settled.len() as f64)
    }
}

/// Every sort of work of a run.
#[derive(Debug, Default)]
struct Timings {
    begins: Samples,
    /// A task's first update, which may lay its images out.
    firsts: Samples,
    /// Updates with a whole minibatch.
    whole: Samples,
    /// Updates with an epoch's shorter last minibatch.
    short: Samples,
    measured: Samples,
    ends: Samples,
}

impl Timings {
    /// The mean update of an epoch of so many.
    fn plain(&self, epoch: u64) -> f64 {
        let first = self.firsts.0.first().copied().unwrap_or_default();
        match (self.whole.mean(), self.short.mean()) {
            (Some(whole), Some(short)) => whole + (short - whole) / epoch as f64,
            (whole, short) => whole.or(short).unwrap_or(first),
        }
    }

    /// A task's start and end, with what its first update takes beyond any other.
    fn task(&self, plain: f64) -> f64 {
        let [begin, first, end] = [&self.begins, &self.firsts, &self.ends].map(|part| part.mean().unwrap_or_default());
        begin + (first - plain).max(0.0) + end
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

/// Rehearses a run on images of its own size; nothing is written, and no other run sees anything of it. None of a run
/// that cannot be set up, or diverges at once.
pub(crate) fn rehearse(plan: &RunPlan, images: &SharedImages, rehearsal: Rehearsal) -> Option<Parts> {
    let start = Instant::now();
    let mut plan = plan.clone();
    plan.measure.interval = plan.measure.interval.min(rehearsal.interval);
    let scale = evaluation_scale(images.counts(&plan));
    let mut run = Run::sharing(&plan, images).ok()?;
    let lengths = plan.lengths();
    let mut parts = Parts { set_up: start.elapsed().as_secs_f64(), ..Parts::default() };
    let mut timings = Timings::default();
    for task in 0..lengths.tasks() {
        let late = |share: f64, timings: &Timings| {
            let least = if plan.measure.interval == 0 { 0 } else { LEAST_MEASURED };
            timings.whole.0.len() + timings.short.0.len() > 0
                && timings.measured.0.len() >= least
                && start.elapsed().as_secs_f64() >= share * rehearsal.seconds
        };
        let epoch = lengths.updates_per_epoch(task);
        let ends_short = !lengths.images_of(task).is_multiple_of(plan.training.batch_size);
        timings.begins.0.push(timed(|| run.begin_task()).0);
        for update in 0..lengths.updates_of(task) {
            let (seconds, controls) = timed(|| run.update());
            let controls = controls.ok()?;
            let is_short = ends_short && (update + 1).is_multiple_of(epoch);
            let of_its_sort = match (update, controls.is_empty()) {
                (_, false) => &mut timings.measured,
                (0, _) => &mut timings.firsts,
                _ if is_short => &mut timings.short,
                _ => &mut timings.whole,
            };
            of_its_sort.0.push(seconds);
            if !controls.is_empty() {
                parts.control_rows = bytes_of_controls(&controls);
            }
            // The second task, whose first update has been made, ends the rehearsal.
            if late(if task == 0 { 0.5 } else { 1.0 }, &timings) {
                break;
            }
        }
        if task == 0 {
            let mut state = State::default();
            run.save(&mut state);
            parts.checkpoint = checkpoint::to_bytes(&state).ok()?.len() as f64;
        } else if late(1.0, &timings) {
            break;
        }
        let evaluating = |run: &Run| run.seconds().get("forward_backward").copied().unwrap_or_default();
        let before = evaluating(&run);
        let (seconds, row) = timed(|| run.end_task(EVALUATION_CHUNK));
        timings.ends.0.push(seconds + (scale - 1.0) * (evaluating(&run) - before));
        parts.task_row = bytes_of_task(&row.ok()?);
    }
    parts.plain = timings.plain(lengths.updates_per_epoch(0));
    parts.measured = timings.measured.mean().unwrap_or(parts.plain);
    parts.task = timings.task(parts.plain);
    Some(parts)
}

/// How much longer the end of a task evaluates than a rehearsal does, which stops at the first images.
fn evaluation_scale(counts: [usize; 2]) -> f64 {
    let evaluated = counts.iter().map(|&count| count.min(EVALUATION_CHUNK as usize)).sum::<usize>();
    counts.iter().sum::<usize>() as f64 / evaluated as f64
}

fn bytes_of_controls(rows: &[ControlRow]) -> f64 {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let written = rows.iter().try_for_each(|row| writer.serialize(row)).ok();
    written.and_then(|()| writer.into_inner().ok()).map_or(0.0, |bytes| bytes.len() as f64)
}

/// Each field is followed by a comma, or by the end of the line.
fn bytes_of_task(row: &TaskRow) -> f64 {
    row.iter().map(|(_, field)| field.len() + 1).sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::testing::runs::{begin, finish, images, plans};

    fn seconds(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn parts_are_put_together_by_hand() {
        let timings = Timings {
            begins: seconds(&[9.0, 1.0]),
            firsts: seconds(&[8.0, 4.0]),
            whole: seconds(&[7.0, 2.0, 4.0]),
            short: seconds(&[1.0]),
            ends: seconds(&[5.0]),
            measured: seconds(&[]),
        };
        // Whole minibatches take 3 and the fourth of each epoch takes 1; the task's first update 1.5 more than the mean.
        let plain = timings.plain(4);
        assert_eq!((plain, timings.task(plain)), (2.5, 1.0 + 1.5 + 5.0));
        assert_eq!(timings.measured.mean(), None);
        assert_eq!(Timings { firsts: seconds(&[6.0]), ..Timings::default() }.plain(4), 6.0);
    }

    #[test]
    fn every_part_of_a_run_is_found_and_runs_are_none_the_wiser() {
        let set = images(50, [1, 4, 4], 0);
        let stream =
            json!({ "stream": { "kind": "pixel_permutation" }, "methods": ["layer_norm", "wasserstein+redo"] });
        for plan in plans(&ImageFacts::of(&set), &[&stream]) {
            let expected = finish(&mut begin(&plan, &set));
            let shared = SharedImages::of(&set);
            let rehearsal = Rehearsal { interval: 5, seconds: 0.0 };
            let parts = rehearse(&plan, &shared, rehearsal).unwrap();
            let Parts { set_up, task, plain, measured, task_row, control_rows, checkpoint } = parts;
            let all = [set_up, task, plain, measured, task_row, control_rows, checkpoint];
            assert!(all.iter().all(|part| part.is_finite() && *part > 0.0), "{parts:?}");
            assert_eq!(finish(&mut begin(&plan, &set)), expected);
            // The same images are there for the next.
            assert!(rehearse(&plan, &shared, rehearsal).is_some());
        }
    }

    #[test]
    fn a_run_that_diverges_at_once_or_is_never_measured() {
        let set = images(40, [1, 4, 4], 0);
        let facts = ImageFacts::of(&set);
        let parts = |changes: serde_json::Value| {
            let plan = plans(&facts, &[&changes]).remove(0);
            rehearse(&plan, &SharedImages::of(&set), Rehearsal { interval: 5, seconds: 0.0 })
        };
        assert_eq!(parts(json!({ "training": { "optimizer": "sgd", "learning_rate": 1e30 } })), None);
        let never = parts(json!({ "measure": { "interval": 0 } })).unwrap();
        assert!(never.plain > 0.0 && never.measured == never.plain && never.control_rows == 0.0, "{never:?}");
        let single = json!({ "stream": { "tasks": 1, "epochs": 1 }, "training": { "batch_size": 40 } });
        let single = parts(single).unwrap();
        assert!(single.plain > 0.0 && single.task > 0.0, "a run of one update: {single:?}");
    }

    #[test]
    fn evaluation_of_more_images_than_a_rehearsal_sees_is_scaled() {
        assert_eq!(evaluation_scale([EVALUATION_CHUNK as usize, 0]), 1.0);
        assert_eq!(evaluation_scale([60_000, 0]), 60_000.0 / EVALUATION_CHUNK as f64);
        assert_eq!(evaluation_scale([60_000, 100]), 60_100.0 / (EVALUATION_CHUNK as f64 + 100.0));
    }
}
