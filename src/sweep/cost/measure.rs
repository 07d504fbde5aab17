//! Measures kinds of runs: each in short and alone, for its memory; then as many at once as there are jobs, for the time,
//! since runs slow each other.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::thread::scope;
use std::time::Instant;

use super::kind::Kind;
use crate::learner::Precision;
use crate::run::{Parts, Rehearsal, RunImages, RunPlan, SharedImages, rehearse};
use crate::stream::STREAMS;
use crate::sweep::memory::{self, Gauge, MemoryError};
use crate::sweep::panics::{panic_message, wants_memory};
use crate::sweep::signals::Signals;

/// How a kind is rehearsed where its time does not count.
const BRIEFLY: Rehearsal = Rehearsal { interval: 2, seconds: 0.0 };
/// What the allocator keeps of a thread's memory beyond the peak of a short run, in bytes: the more sizes come and go, the
/// less of it fits together. Found with runs of minutes; it was 4 to 35 MB.
const KEPT: f64 = 12e6;
/// Measured at least every so many updates, so that most of the others find their caches as in a run.
const INTERVAL: u64 = 5;
/// The most seconds for a kind's updates: more are no surer, since machines waver.
const MOST_SECONDS: f64 = 0.7;
/// The share of the time after which no further kind is begun alone; all of them follow once more.
const SHARE_ALONE: f64 = 0.4;

/// What was measured of a kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct KindCost {
    /// What its parts take.
    pub(super) parts: Parts,
    /// The most bytes that a run takes beside its images, if the system tells.
    pub(super) memory: Option<f64>,
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Measurement {
    /// Each kind; none where there was no time for it, or its runs cannot be.
    pub(super) kinds: Vec<Option<KindCost>>,
    /// Bytes that the process takes without any run, if the system tells.
    pub(super) base: Option<f64>,
    /// The most bytes that it had with several kinds at once, which runs of the sweep may be as well.
    pub(super) at_once: Option<f64>,
    /// What runs share.
    pub(super) images: SetUp,
}

/// Images of runs, and what it takes to set them up: those of the kind that takes most.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct SetUp {
    pub(super) seconds: f64,
    /// The most bytes meanwhile.
    pub(super) bytes: f64,
}

/// Within which bounds kinds are measured.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Runs at the same time.
    pub(super) jobs: usize,
    /// Seconds, about.
    pub(super) seconds: f64,
    /// Bytes that are free.
    pub(super) available: f64,
    /// What may ask to stop.
    pub(super) signals: &'a Signals,
}

impl Measurement {
    /// What is known of a kind: what was measured of it, or else of the kind with the most similar work, scaled by what is
    /// known of both beforehand.
    pub(super) fn of(&self, kinds: &[Kind], index: usize) -> Option<KindCost> {
        let distance = |other: &usize| (kinds[index].work / kinds[*other].work).ln().abs();
        let measured = (0..kinds.len()).filter(|&other| self.kinds[other].is_some());
        let nearest =
            measured.min_by(|a, b| (*a != index).cmp(&(*b != index)).then(distance(a).total_cmp(&distance(b))))?;
        let (work, least) = (kinds[index].work / kinds[nearest].work, kinds[index].least / kinds[nearest].least);
        self.kinds[nearest].map(|found| KindCost {
            parts: found.parts.scaled(work, least),
            memory: found.memory.map(|bytes| bytes * least),
        })
    }
}

/// Measures kinds while there is time: the one that needs most memory first, then others that lie far apart in their work.
/// Without any time it is that one alone. `check` looks at what was found of kinds alone, before several are at work at once.
///
/// # Errors
/// A kind takes more memory than is free, or what `check` says.
pub(super) fn measure(
    kinds: &[Kind],
    shared: &SharedImages,
    limits: Limits,
    check: impl FnOnce(&Measurement) -> Result<(), MemoryError>,
) -> Result<Measurement, MemoryError> {
    let start = Instant::now();
    let alone = scope(|scope| scope.spawn(|| measure_alone(kinds, shared, limits, start)).join());
    let (mut measurement, _held) = alone.unwrap_or_else(|panic| resume_unwind(panic))?;
    check(&measurement)?;
    let found: Vec<usize> = (0..kinds.len()).filter(|&kind| measurement.kinds[kind].is_some()).collect();
    if found.is_empty() || limits.seconds == 0.0 || limits.signals.stop().is_some() {
        return Ok(measurement);
    }
    // Whichever of them meet have to fit.
    let most = measurement.kinds.iter().flatten().filter_map(|kind| kind.memory).fold(0.0, f64::max);
    let jobs = (1..=limits.jobs).take_while(|&jobs| jobs as f64 * most <= limits.available).last().unwrap_or(1);
    let rounds = found.len().div_ceil(jobs);
    let left = limits.seconds - start.elapsed().as_secs_f64();
    let rehearsal = Rehearsal { interval: INTERVAL, seconds: (left / rounds as f64).clamp(0.0, MOST_SECONDS) };
    // Every thread is at work to the end: what places are left over go to kinds that come once more.
    let of_job =
        |job: usize| (0..rounds).map(|round| found[(round * jobs + job) % found.len()]).collect::<Vec<usize>>();
    let gauge = Gauge::begin();
    let rehearsed: Vec<(usize, Option<Parts>)> = quietly(|| {
        scope(|scope| {
            let begin = |own: Vec<usize>| scope.spawn(move || at_once(kinds, shared, own, rehearsal));
            let threads: Vec<_> = (0..jobs).map(of_job).map(begin).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    });
    let may_meet = found.iter().all(|&kind| kinds[kind].runs.len() >= jobs.div_ceil(found.len()));
    measurement.at_once = gauge.filter(|_| may_meet).and_then(|gauge| Some(gauge.before() + gauge.most()?));
    for kind in found {
        let parts: Vec<Parts> = rehearsed.iter().filter(|of| of.0 == kind).filter_map(|of| of.1).collect();
        if let (Some(measured), Some(mean)) = (&mut measurement.kinds[kind], Parts::mean(&parts)) {
            measured.parts = mean;
        }
    }
    Ok(measurement)
}

/// What one thread does while others do the same: rehearses kinds, one after the other.
fn at_once(
    kinds: &[Kind],
    shared: &SharedImages,
    own: Vec<usize>,
    rehearsal: Rehearsal,
) -> Vec<(usize, Option<Parts>)> {
    tch::set_num_threads(1);
    let rehearsed = own.into_iter().map(|kind| {
        let attempt = catch_unwind(AssertUnwindSafe(|| rehearse(kinds[kind].example, shared, rehearsal)));
        (kind, attempt.ok().flatten())
    });
    rehearsed.collect()
}

/// Images that were set up, and are held so that every rehearsal finds them.
struct Held {
    key: (usize, Precision, bool),
    _images: RunImages,
}

/// Runs with the same key have as many images of the same form.
fn key(plan: &RunPlan) -> (usize, Precision, bool) {
    (plan.images(), plan.training.precision, plan.stream.kind().true_labels)
}

/// The order in which kinds are measured, as places in the list.
fn order(kinds: &[Kind]) -> Vec<usize> {
    let mut by_work: Vec<usize> = (0..kinds.len()).collect();
    by_work.sort_by(|&a, &b| kinds[a].work.total_cmp(&kinds[b].work));
    // Halves, then quarters, then eighths.
    let mut places: Vec<usize> = (0..kinds.len()).collect();
    places.sort_by_key(|place| place.reverse_bits());
    let mut order: Vec<usize> = places.into_iter().map(|place| by_work[place]).collect();
    if let Some(&largest) = by_work.iter().max_by(|&&a, &&b| kinds[a].least.total_cmp(&kinds[b].least)) {
        order.retain(|&kind| kind != largest);
        order.insert(0, largest);
    }
    order
}

fn measure_alone(
    kinds: &[Kind],
    shared: &SharedImages,
    limits: Limits,
    start: Instant,
) -> Result<(Measurement, Vec<Held>), MemoryError> {
    tch::set_num_threads(1);
    let mut held: Vec<Held> = Vec::new();
    let images = SetUp::default();
    let mut measurement = Measurement { kinds: vec![None; kinds.len()], base: None, at_once: None, images };
    for (count, index) in order(kinds).into_iter().enumerate() {
        let late = start.elapsed().as_secs_f64() > SHARE_ALONE * limits.seconds;
        if limits.signals.stop().is_some() || (count > 0 && late) {
            break;
        }
        let plan = kinds[index].example;
        let rehearsed = || {
            if count == 0 {
                let small = in_small(plan);
                rehearse(&small, shared, BRIEFLY)?;
                measurement.base = Gauge::begin().map(|gauge| gauge.before());
            }
            one_alone(plan, shared, &mut held, &mut measurement.images)
        };
        let attempt = memory::within(limits.available, || quietly(|| catch_unwind(AssertUnwindSafe(rehearsed))));
        match attempt {
            Ok(found) => measurement.kinds[index] = found,
            Err(panic) if wants_memory(&panic_message(panic.as_ref())) => {
                let (needed, available) = (f64::INFINITY, limits.available);
                return Err(MemoryError::Run { run: plan.name(), needed, available });
            }
            // What is wrong with it, the run itself will tell.
            Err(_) => {}
        }
    }
    Ok((measurement, held))
}

/// The same with a small network and few images: enough for libtorch to load what all runs then share.
fn in_small(plan: &RunPlan) -> RunPlan {
    let mut small = plan.clone();
    let narrow = |units: &mut i64| *units = (*units).min(8);
    small.network.hidden.iter_mut().for_each(narrow);
    small.network.channels.iter_mut().flatten().for_each(narrow);
    small.data.images = Some(plan.images().min(64));
    small.stream.sample = plan.stream.sample.map(|sample| sample.min(64));
    if small.stream.shows_classes() {
        // Not every class may have one of so few images.
        small.stream.kind = STREAMS[0].name.to_owned();
        small.groups.clear();
    }
    small.measure.lanczos.products = plan.measure.lanczos.products.min(3);
    small.measure.spectrum.starts = plan.measure.spectrum.starts.min(1);
    small
}

fn one_alone(plan: &RunPlan, shared: &SharedImages, held: &mut Vec<Held>, most: &mut SetUp) -> Option<KindCost> {
    if held.iter().all(|held| held.key != key(plan)) {
        let (gauge, start) = (Gauge::begin(), Instant::now());
        let images = shared.of_run(plan, plan.device.device().ok()?);
        let bytes = gauge.and_then(|gauge| gauge.most()).unwrap_or(images.bytes() as f64);
        most.seconds = most.seconds.max(start.elapsed().as_secs_f64());
        most.bytes = most.bytes.max(bytes);
        held.push(Held { key: key(plan), _images: images });
    }
    let gauge = Gauge::begin();
    let parts = rehearse(plan, shared, BRIEFLY)?;
    let memory = gauge.and_then(|gauge| gauge.most()).map(|rest| rest + KEPT);
    Some(KindCost { parts, memory })
}

/// Does some work whose panics nobody hears of.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let result = work();
    set_hook(hook);
    result
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;

    use serde_json::{Value, json};

    use super::super::kind::{Left, kinds};
    use super::*;
    use crate::experiment::ImageFacts;
    use crate::testing::runs::{images, plans};

    fn limits(jobs: usize, seconds: f64, available: f64) -> Limits<'static> {
        static SIGNALS: std::sync::LazyLock<Signals> = std::sync::LazyLock::new(Signals::default);
        Limits { jobs, seconds, available, signals: &SIGNALS }
    }

    fn of_plan(changes: &Value, test: impl FnOnce(&[Kind], &SharedImages)) {
        let set = images(40, [1, 4, 4], 0);
        let runs = plans(&ImageFacts::of(&set), &[changes]);
        let left: Vec<Left> = runs.iter().map(|run| Left { run, tasks: 0, updates: 0 }).collect();
        test(&kinds(&left, &set), &SharedImages::of(&set));
    }

    #[test]
    fn runs_whose_tasks_show_a_part_of_the_images_are_measured() {
        let mut set = images(100, [1, 4, 4], 0);
        set.labels = (0..100).map(|image| (image % 10) as u8).collect();
        for stream in [json!({ "sample": 70 }), json!({ "kind": "class_incremental", "classes_per_task": 3 })] {
            let runs = plans(&ImageFacts::of(&set), &[&json!({ "stream": stream })]);
            let left: Vec<Left> = runs.iter().map(|run| Left { run, tasks: 0, updates: 0 }).collect();
            let measured =
                measure(&kinds(&left, &set), &SharedImages::of(&set), limits(1, 0.0, f64::INFINITY), |_| Ok(()));
            assert!(measured.unwrap().kinds[0].is_some(), "{stream}");
        }
    }

    #[test]
    fn every_kind_is_measured_with_as_many_at_once_as_there_are_jobs() {
        let methods = json!({ "methods": ["relu", "layer_norm", "reset"], "measure": { "probe_images": 8 } });
        of_plan(&methods, |kinds, set| {
            for jobs in [1, 2, 5] {
                let checked = AtomicBool::new(false);
                let check = |alone: &Measurement| {
                    checked.store(alone.kinds.iter().all(Option::is_some), Ordering::Relaxed);
                    Ok(())
                };
                let measurement = measure(kinds, set, limits(jobs, 60.0, f64::INFINITY), check).unwrap();
                assert!(checked.into_inner());
                for (index, found) in measurement.kinds.iter().enumerate() {
                    let KindCost { parts, memory } = found.unwrap();
                    let Parts { set_up, task, plain, measured, .. } = parts;
                    let seconds = [measurement.images.seconds, set_up, task, plain, measured];
                    assert!(seconds.iter().all(|part| *part > 0.0 && part.is_finite()), "{parts:?}");
                    assert_eq!(measurement.of(kinds, index), *found);
                    if cfg!(target_os = "linux") {
                        assert!(memory.unwrap() > 0.0 && measurement.base.unwrap() > 1e6);
                    }
                }
            }
        });
    }

    #[test]
    fn without_time_the_largest_stands_for_the_others() {
        of_plan(&json!({ "grid": { "network.hidden": [[4], [64], [8]] } }), |kinds, set| {
            let measurement = measure(kinds, set, limits(2, 0.0, f64::INFINITY), |_| Ok(())).unwrap();
            let found: Vec<bool> = measurement.kinds.iter().map(Option::is_some).collect();
            assert_eq!(found, [false, true, false]);
            let [whole, part] = [1, 0].map(|kind| measurement.of(kinds, kind).unwrap());
            let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
            assert!(close(part.parts.plain / whole.parts.plain, kinds[0].work / kinds[1].work));
            assert!(close(part.parts.checkpoint / whole.parts.checkpoint, kinds[0].least / kinds[1].least));
            assert_eq!(part.parts.task_row, whole.parts.task_row);
        });
    }

    #[test]
    fn kinds_that_lie_far_apart_come_first() {
        let hidden: Vec<[i64; 1]> = (1..=8).map(|width| [width]).collect();
        of_plan(&json!({ "grid": { "network.hidden": hidden } }), |kinds, _| {
            assert_eq!(order(kinds), [7, 0, 4, 2, 6, 1, 5, 3]);
        });
    }

    #[test]
    fn what_is_refused_or_diverges_is_told_or_left_out() {
        of_plan(&json!({}), |kinds, set| {
            let refused = || MemoryError::Run { run: "x".to_owned(), needed: 2.0, available: 1.0 };
            let error = measure(kinds, set, limits(1, 1.0, 1e12), |_| Err(refused())).unwrap_err();
            assert_eq!(error.to_string(), refused().to_string());
        });
        let diverges = json!({ "training": { "optimizer": "sgd", "learning_rate": 1e30 } });
        of_plan(&diverges, |kinds, set| {
            let measurement = measure(kinds, set, limits(1, 1.0, 1e12), |_| Ok(())).unwrap();
            assert_eq!((&measurement.kinds[..], measurement.of(kinds, 0)), (&[None][..], None));
        });
    }
}
