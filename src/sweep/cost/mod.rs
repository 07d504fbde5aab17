//! What runs will cost, known before it is paid: hours on this machine, memory, room on the disk.

mod estimate;
mod kind;
mod measure;
mod wording;

pub(super) use kind::{Kind, Left, kinds};

use super::memory::{self, MemoryError, Places};
use super::signals::Signals;
use crate::data::ImageSet;
use crate::run::{RunPlan, SharedImages};
use estimate::until_all_are_over;
use measure::{KindCost, Limits, Measurement, measure};

/// What a kind of runs costs.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    label: String,
    runs: usize,
    updates: u64,
    /// Of all its runs together.
    seconds: f64,
}

/// What runs will cost on this machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Kinds of runs, those that take longest first.
    lines: Vec<Line>,
    jobs: usize,
    /// Until all are over.
    seconds: f64,
    /// The most bytes of the whole process, if the system tells.
    memory: Option<f64>,
    /// Bytes of what the runs will have written.
    disk: f64,
    /// Bytes of the checkpoints that are there while they are at work.
    checkpoints: f64,
    /// Kinds for which others stand.
    unmeasured: usize,
}

impl Cost {
    /// Seconds on one core, of all runs together.
    pub(super) fn core_seconds(&self) -> f64 {
        self.lines.iter().map(|line| line.seconds).sum()
    }

    /// The most bytes of the whole process, if the system tells.
    pub(super) fn memory(&self) -> Option<f64> {
        self.memory
    }

    /// What takes so long on one core, and so many bytes.
    #[cfg(test)]
    pub(super) fn example(seconds: f64, memory: f64) -> Cost {
        let line = Line { label: String::new(), runs: 1, updates: 1, seconds };
        Cost { lines: vec![line], jobs: 1, seconds, memory: Some(memory), disk: 0.0, checkpoints: 0.0, unmeasured: 0 }
    }
}

/// How much time an estimate may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// It is what was asked for.
    Asked,
    /// Runs follow, of whose time it takes a few hundredths; where there are few updates, there is none.
    InPassing,
}

/// Seconds that an estimate takes at most, about, where it is asked for and in passing.
const MOST_SECONDS: [f64; 2] = [10.0, 5.0];
/// The share of the runs' time that one in passing may take.
const SHARE: f64 = 0.02;
/// The fewest updates, and the fewest seconds at any machine's speed, that are worth one in passing.
const WORTH: (u64, f64) = (500, 10.0);
/// Multiplications a second of one core, if everything goes well.
const SPEED: f64 = 5e10;
/// No run takes so many times what it takes in any case.
const MOST_TO_LEAST: f64 = 50.0;

impl Occasion {
    /// Seconds for an estimate of these runs, none if it isn't worth its time.
    fn seconds(self, kinds: &[Kind], left: &[Left], jobs: usize, available: f64) -> Option<f64> {
        let [asked, in_passing] = MOST_SECONDS;
        if self == Occasion::Asked {
            return Some(asked);
        }
        let updates = |kind: &Kind| kind.runs.iter().map(|&run| left[run].updates_left()).sum::<u64>();
        let seconds = kinds.iter().map(|kind| updates(kind) as f64 * kind.work / SPEED).sum::<f64>() / jobs as f64;
        let least = kinds.iter().map(|kind| kind.least).fold(0.0, f64::max);
        let is_worth = kinds.iter().map(updates).sum::<u64>() >= WORTH.0 && seconds >= WORTH.1;
        // Memory may be short, and then it has to be known.
        let may_be_short = MOST_TO_LEAST * least * jobs as f64 > available;
        match (is_worth, may_be_short) {
            (true, _) => Some((SHARE * seconds).min(in_passing)),
            (false, may_be_short) => may_be_short.then_some(0.0),
        }
    }
}

/// Refuses runs that cannot fit into memory whatever else they take; it takes no time.
///
/// # Errors
/// They do not fit.
pub(super) fn refuse_hopeless(runs: &[&RunPlan], set: &ImageSet, places: Places) -> Result<(), MemoryError> {
    let needs: Vec<(f64, &RunPlan)> = runs.iter().map(|run| (memory::least(run, set), *run)).collect();
    memory::check(&needs, places, memory::available())
}

/// What the runs that are left will cost. None where nothing is left, it is not worth its time, or none can be measured.
///
/// # Errors
/// The runs do not fit into memory.
pub(super) fn estimate(
    left: &[Left],
    set: &ImageSet,
    places: Places,
    occasion: Occasion,
    signals: &Signals,
) -> Result<Option<Cost>, MemoryError> {
    let (kinds, jobs, available) = (kinds(left, set), places.jobs.min(left.len()), memory::available());
    let Some(seconds) = occasion.seconds(&kinds, left, jobs, available).filter(|_| !left.is_empty()) else {
        return Ok(None);
    };
    let limits = Limits { jobs, seconds, available, signals };
    let check =
        |alone: &Measurement| memory::check(&needs(alone, &kinds, left), places, available - alone.images.bytes);
    let measurement = measure(&kinds, &SharedImages::of(set), limits, check)?;
    Ok(put_together(&measurement, &kinds, left, Places { jobs, ..places }))
}

/// Each run with the bytes that it needs; those of which nothing is known need none.
fn needs<'a>(measurement: &Measurement, kinds: &[Kind], left: &[Left<'a>]) -> Vec<(f64, &'a RunPlan)> {
    let of_kind = |(index, kind): (usize, &Kind)| {
        let need = measurement.of(kinds, index).and_then(|found| found.memory).unwrap_or_default();
        kind.runs.iter().map(|&run| (need, left[run].run)).collect::<Vec<_>>()
    };
    kinds.iter().enumerate().flat_map(of_kind).collect()
}

fn put_together(measurement: &Measurement, kinds: &[Kind], left: &[Left], places: Places) -> Option<Cost> {
    let jobs = places.jobs;
    let mut lines = Vec::new();
    let (mut seconds, mut disk, mut checkpoints) = (vec![0.0; left.len()], 0.0, 0.0_f64);
    for (index, kind) in kinds.iter().enumerate() {
        let KindCost { parts, .. } = measurement.of(kinds, index)?;
        for &run in &kind.runs {
            seconds[run] = estimate::seconds(&parts, &left[run]);
            disk += estimate::bytes(&parts, &left[run]);
        }
        checkpoints = checkpoints.max(parts.checkpoint);
        lines.push(Line {
            label: kind.label.clone(),
            runs: kind.runs.len(),
            updates: kind.runs.iter().map(|&run| left[run].updates_left()).sum(),
            seconds: kind.runs.iter().map(|&run| seconds[run]).sum(),
        });
    }
    lines.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let needs = needs(measurement, kinds, left);
    let is_known = measurement.kinds.iter().flatten().all(|found| found.memory.is_some());
    let alone = measurement.base.filter(|_| is_known);
    let together = alone.map(|base| base + measurement.images.bytes + memory::together(&needs, places.runs()));
    Some(Cost {
        lines,
        jobs,
        seconds: measurement.images.seconds + until_all_are_over(seconds, jobs),
        memory: together.map(|bytes| bytes.max(measurement.at_once.unwrap_or_default())),
        disk,
        checkpoints: places.runs() as f64 * checkpoints,
        unmeasured: measurement.kinds.iter().filter(|found| found.is_none()).count(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::measure::SetUp;
    use super::*;
    use crate::experiment::ImageFacts;
    use crate::run::Parts;
    use crate::testing::runs::{images, plans};

    fn of_plan(changes: &Value, test: impl FnOnce(&[Kind], &[Left], &ImageSet)) {
        let set = images(40, [1, 4, 4], 0);
        let runs = plans(&ImageFacts::of(&set), &[changes]);
        let left: Vec<Left> = runs.iter().map(|run| Left { run, tasks: 0, updates: 0 }).collect();
        test(&kinds(&left, &set), &left, &set);
    }

    const TWO: Places = Places { jobs: 2, abreast: 1 };

    fn measured(plain: f64, memory: f64) -> Option<KindCost> {
        let parts = Parts { plain, measured: plain, task_row: 100.0, checkpoint: 1e6, ..Parts::default() };
        Some(KindCost { parts, memory: Some(memory) })
    }

    #[test]
    fn an_estimate_by_hand() {
        // Two seeds of two methods, 18 updates each, in the order relu, crelu, relu, crelu.
        of_plan(&json!({ "methods": ["relu", "crelu"], "seeds": 2 }), |kinds, left, _| {
            let images = SetUp { seconds: 10.0, bytes: 70.0 };
            let measurement = Measurement {
                kinds: vec![measured(1.0, 300.0), measured(2.0, 500.0)],
                base: Some(1000.0),
                at_once: None,
                images,
            };
            let estimate = put_together(&measurement, kinds, left, TWO).unwrap();
            let line = |label: &str, seconds| Line { label: label.to_owned(), runs: 2, updates: 36, seconds };
            assert_eq!(estimate.lines, [line("crelu", 72.0), line("relu", 36.0)]);
            // 10 for the images; 18 and 36 seconds, then 18 more after the first, and 36 after that.
            assert_eq!((estimate.seconds, estimate.jobs, estimate.unmeasured), (10.0 + 36.0 + 36.0, 2, 0));
            assert_eq!(estimate.memory, Some(1000.0 + 70.0 + 2.0 * 500.0));
            let measurement = Measurement { at_once: Some(2500.0), ..measurement };
            assert_eq!(put_together(&measurement, kinds, left, TWO).unwrap().memory, Some(2500.0));
            let records: usize = left.iter().map(|left| 2000 + left.run.options.to_string().len()).sum();
            assert_eq!((estimate.disk, estimate.checkpoints), (4.0 * 3.0 * 100.0 + records as f64, 2e6));
        });
    }

    #[test]
    fn memory_is_refused_with_what_fits() {
        of_plan(&json!({ "methods": ["relu", "crelu"], "seeds": 2 }), |kinds, left, set| {
            let found = vec![measured(1.0, 300.0), measured(2.0, 500.0)];
            let measurement = Measurement { kinds: found, base: None, at_once: Some(1e9), images: SetUp::default() };
            let needs = needs(&measurement, kinds, left);
            let places = |jobs| Places { jobs, abreast: 1 };
            let refused = |jobs, available| memory::check(&needs, places(jobs), available).unwrap_err().to_string();
            memory::check(&needs, places(3), 1300.0).unwrap();
            let expected =
                "3 runs at a time need about 1 kB of memory, and 1 kB are free: --jobs 2 fits, or choose a smaller ";
            assert!(refused(3, 1299.0).starts_with(expected), "{}", refused(3, 1299.0));
            let expected =
                "crelu/constant/seed-0 needs at least 500 B of memory, and 499 B are free: choose a smaller ";
            assert!(refused(3, 499.0).starts_with(expected), "{}", refused(3, 499.0));
            memory::check(&[], places(3), 0.0).unwrap();
            let in_lockstep = memory::check(&needs, Places { jobs: 1, abreast: 3 }, 1299.0).unwrap_err().to_string();
            assert!(in_lockstep.contains("free: --engine local --jobs 2 fits"), "{in_lockstep}");
            let runs: Vec<&RunPlan> = left.iter().map(|left| left.run).collect();
            refuse_hopeless(&runs, set, places(4)).unwrap();
            assert!(put_together(&measurement, kinds, left, TWO).unwrap().memory.is_none());
        });
    }

    #[test]
    fn a_few_updates_are_not_worth_an_estimate_unless_memory_may_be_short() {
        of_plan(&json!({}), |kinds, left, _| {
            let seconds = |occasion: Occasion, available| occasion.seconds(kinds, left, 1, available);
            assert_eq!(seconds(Occasion::Asked, 1e12), Some(10.0));
            assert_eq!(seconds(Occasion::InPassing, 1e12), None);
            assert_eq!(seconds(Occasion::InPassing, 10.0 * kinds[0].least), Some(0.0));
        });
        let long = json!({ "stream": { "tasks": 1000, "epochs": 100 } });
        of_plan(&long, |kinds, left, _| {
            let seconds = |jobs| Occasion::InPassing.seconds(kinds, left, jobs, 1e12).unwrap();
            assert!(seconds(1) == 2.0 * seconds(2) && seconds(1) > 0.2, "{}", seconds(1));
        });
    }
}
