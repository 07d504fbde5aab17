//! A plan carried out: parallel runs, each on one thread, finished ones skipped, failures kept apart.

mod execute;
mod folder;
mod progress;
mod provenance;
mod survey;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use globset::Glob;
use rayon::prelude::*;

use crate::config::{Plan, RunPlan};
use crate::data::ImageSet;
use crate::train::{RunRecord, Status};

pub use folder::{SweepFolder, read_record};
pub use progress::Progress;
pub use survey::{Survey, survey};

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// The sweep's folder.
    pub out: PathBuf,
    /// Runs at the same time.
    pub jobs: usize,
    /// A pattern on `METHOD/SCHEDULE/seed-N` that chooses runs.
    pub only: Option<String>,
    /// Start no further run once one has failed.
    pub fail_fast: bool,
}

/// Hears what happens, from any thread.
pub trait Listener: Sync {
    /// The sweep begins: runs and updates that are left, runs that were finished before.
    fn begin(&self, _left: usize, _updates: u64, _finished: usize) {}
    /// Updates were made.
    fn updated(&self, _updates: u64) {}
    /// A run is over.
    fn ended(&self, _run: &RunPlan, _record: &RunRecord) {}
    /// The sweep is over.
    fn end(&self) {}
}

/// A listener that does nothing.
pub struct Silence;

impl Listener for Silence {}

/// What became of the runs.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Runs that were finished before and not touched.
    pub skipped: usize,
    /// Runs finished now.
    pub finished: usize,
    /// Names of runs that failed or diverged, with the reason.
    pub failed: Vec<(String, String)>,
    /// Runs not started since one had failed.
    pub not_started: usize,
}

impl Outcome {
    /// Whether every run of the plan is finished.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_started == 0
    }
}

/// The runs of a plan that a pattern chooses.
///
/// # Errors
/// The pattern is none, or chooses nothing.
pub fn choose<'a>(plan: &'a Plan, only: Option<&str>) -> Result<Vec<&'a RunPlan>> {
    let Some(pattern) = only else { return Ok(plan.runs.iter().collect()) };
    let matcher = Glob::new(pattern).with_context(|| format!("--only {pattern} is no pattern"))?.compile_matcher();
    let chosen: Vec<&RunPlan> = plan.runs.iter().filter(|run| matcher.is_match(run.name())).collect();
    let example = plan.runs.first().map(RunPlan::name).unwrap_or_default();
    anyhow::ensure!(
        !chosen.is_empty(),
        "--only {pattern} chooses none of the {} runs, whose names are like {example}",
        plan.runs.len()
    );
    Ok(chosen)
}

/// Carries out a plan in its folder.
///
/// # Errors
/// The folder cannot be written, is in use by another sweep, or holds runs with other options. A run that fails is no
/// error but part of the outcome.
pub fn carry_out(plan: &Plan, set: &ImageSet, options: &SweepOptions, listener: &dyn Listener) -> Result<Outcome> {
    let chosen = choose(plan, options.only.as_deref())?;
    let folder = SweepFolder::open(&options.out)?;
    let (finished, left): (Vec<_>, Vec<_>) =
        folder.check(&chosen)?.into_iter().zip(chosen).partition(|(finished, _)| *finished);
    let mut provenance = provenance::Provenance::begin(plan, set, options.jobs);
    folder.write_json("sweep.json", &provenance)?;
    let updates = left.iter().map(|(_, run)| run.updates()).sum();
    listener.begin(left.len(), updates, finished.len());

    // Threads of libtorch inside of a run would only wait for each other.
    let single_threaded = |_| tch::set_num_threads(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs).start_handler(single_threaded).build()?;
    let stop = AtomicBool::new(false);
    let records: Vec<Option<(String, RunRecord)>> = pool.install(|| {
        // One run at a time for each thread, in the plan's order, so that whole seeds are complete early.
        left.par_iter()
            .with_max_len(1)
            .map(|(_, run)| {
                if stop.load(Ordering::Relaxed) {
                    return None;
                }
                let record = execute::execute(run, set, &folder.run(run), listener);
                listener.ended(run, &record);
                if options.fail_fast && record.status != Status::Finished {
                    stop.store(true, Ordering::Relaxed);
                }
                Some((run.name(), record))
            })
            .collect()
    });
    listener.end();
    provenance.end();
    folder.write_json("sweep.json", &provenance)?;

    let mut outcome = Outcome { skipped: finished.len(), ..Outcome::default() };
    for record in records {
        match record {
            None => outcome.not_started += 1,
            Some((_, record)) if record.status == Status::Finished => outcome.finished += 1,
            Some((name, record)) => outcome.failed.push((name, record.error.unwrap_or_default())),
        }
    }
    Ok(outcome)
}
