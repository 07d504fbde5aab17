//! A plan carried out: parallel runs, each on one thread, finished ones skipped, failures kept apart.

mod execute;
mod folder;
mod progress;
mod provenance;
mod signals;
mod survey;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use globset::Glob;

use crate::config::{Plan, RunPlan};
use crate::data::ImageSet;
use crate::train::{RunRecord, Status};

pub use folder::{SweepFolder, read_record};
pub use progress::Progress;
pub use signals::Signals;
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
    /// What may ask the sweep to stop.
    pub signals: Signals,
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
    /// Runs not started since one had failed or the sweep was asked to stop.
    pub not_started: usize,
    /// Runs that were stopped on the way, with a checkpoint.
    pub interrupted: usize,
}

impl Outcome {
    /// Whether every run of the plan is finished.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_started == 0 && self.interrupted == 0
    }
}

/// The runs of a plan that a pattern chooses.
///
/// # Errors
/// The pattern is none, or chooses nothing.
pub fn choose<'a>(plan: &'a Plan, only: Option<&str>) -> Result<Vec<&'a RunPlan>> {
    let Some(pattern) = only else { return Ok(plan.runs.iter().collect()) };
    let matcher = Glob::new(pattern)
        .map_err(|error| anyhow!("--only {pattern} is no pattern such as 'relu/*/*': {}", error.kind()))?
        .compile_matcher();
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
    folder.check(plan)?;
    let (mut outcome, mut left) = (Outcome::default(), Vec::new());
    for (record, run) in folder.over(&chosen)?.into_iter().zip(chosen) {
        match record {
            None => left.push(run),
            Some(record) if record.status == Status::Finished => outcome.skipped += 1,
            Some(record) => outcome.failed.push((run.name(), record.error.unwrap_or_default())),
        }
    }
    let updates = left.iter().map(|run| run.updates()).sum();
    listener.begin(left.len(), updates, outcome.skipped);
    if left.is_empty() && options.out.join("sweep.json").exists() {
        // What is finished keeps the record of where it came from.
        listener.end();
        return Ok(outcome);
    }
    let mut provenance = provenance::Provenance::begin(plan, set, options.jobs);
    folder.write_json("sweep.json", &provenance)?;

    // Threads of libtorch inside of a run would only wait for each other.
    let single_threaded = |_| tch::set_num_threads(1);
    let jobs = options.jobs.min(left.len().max(1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).start_handler(single_threaded).build()?;
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Each thread takes the next run of the plan, in its order, so that whole seeds are complete early.
    let work = |_: rayon::BroadcastContext| {
        let mut records = Vec::new();
        while !stop.load(Ordering::Relaxed) && options.signals.stop().is_none() {
            let Some(run) = left.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let record = execute::execute(run, set, &folder.run(run), listener, &options.signals);
            listener.ended(run, &record);
            if options.fail_fast && !matches!(record.status, Status::Finished | Status::Running) {
                stop.store(true, Ordering::Relaxed);
            }
            records.push((run.name(), record));
        }
        records
    };
    let records: Vec<(String, RunRecord)> = pool.broadcast(work).into_iter().flatten().collect();
    listener.end();
    provenance.end();
    folder.write_json("sweep.json", &provenance)?;

    outcome.not_started = left.len() - records.len();
    for (name, record) in records {
        match record.status {
            Status::Finished => outcome.finished += 1,
            Status::Running => outcome.interrupted += 1,
            _ => outcome.failed.push((name, record.error.unwrap_or_default())),
        }
    }
    Ok(outcome)
}
