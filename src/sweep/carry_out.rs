//! The sweep itself: which runs are left, and training them, several at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use trainability_record::digest::{Digest, read_json, write_json};
use trainability_record::{RunRecord, Status, read_record};

use super::cost::{self, Cost, Left, Occasion};
use super::crew::{crews, is_single, places};
use super::error::SweepError;
use super::event_file::EventFile;
use super::execute::{Setting, execute};
use super::folder::{SweepFolder, check_options};
use super::fork;
use super::lease::TakenOver;
use super::listener::Listener;
use super::only::Only;
use super::options::SweepOptions;
use super::provenance::{Provenance, note_end};
use super::run_state::{self, NextStep, RunState};
use super::share::share;
use crate::data::ImageSet;
use crate::experiment::Plan;
use crate::run::{RunPlan, SharedImages};

/// What became of the runs.
#[derive(Debug, Default)]
pub struct SweepOutcome {
    /// Runs that were finished before and not touched.
    pub skipped: usize,
    /// Runs finished now.
    pub finished: usize,
    /// Names of runs that failed or diverged, now or in an earlier call, with the reason.
    pub failed: Vec<(String, String)>,
    /// Those of them that were left alone, since done again they would end the same way.
    pub(crate) repeatable: usize,
    /// Runs not started since one had failed or the sweep was asked to stop.
    pub not_started: usize,
    /// Runs that were stopped on the way, with a checkpoint.
    pub interrupted: usize,
}

impl SweepOutcome {
    /// Whether every run of the plan is finished.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.not_started == 0 && self.interrupted == 0
    }
}

/// Carries out a plan in its folder.
///
/// # Errors
/// The folder cannot be written, is in use by another sweep, or holds runs with other options; or the runs do not fit
/// into memory. A run that fails is no error but part of the outcome.
pub fn carry_out(
    plan: &Plan,
    set: &ImageSet,
    options: &SweepOptions,
    listener: &dyn Listener,
) -> Result<SweepOutcome, SweepError> {
    let all = Only::new(&options.only)?.choose(&plan.runs)?;
    let chosen = share(&all, set, options.shard);
    let jobs = options.jobs.min(chosen.len());
    let unfinished: Vec<&RunPlan> =
        chosen.iter().copied().filter(|run| !is_finished(&options.out.join("runs").join(run.name()))).collect();
    cost::refuse_hopeless(&unfinished, set, places(&unfinished, set, options))?;
    let sources = options.fork_of.as_deref().map_or(Ok(Vec::new()), fork::sources)?;
    let folder = SweepFolder::open(&options.out, options.shard, &all, jobs, listener)?;
    check_options(&options.out, plan)?;
    let kept = fork::keep(&sources, &folder, &chosen, listener)?;
    let (mut outcome, left) = select(&folder, &chosen, options.retry_failed, listener);
    if options.tensorboard {
        log_earlier(&folder, &chosen, &left)?;
    }
    folder.lease().set_left(left.len());
    let updates = left.iter().map(|run| run.updates()).sum();
    listener.begin(left.len(), updates, outcome.skipped);
    if options.in_lockstep {
        tell_singles(&left, listener);
    }
    let begun: Vec<Left> = left.iter().map(|run| left_of(run, &folder.run(run))).collect();
    match cost::estimate(&begun, set, places(&left, set, options), Occasion::InPassing, &options.signals) {
        Ok(estimate) => estimate.iter().for_each(|estimate| listener.estimated(&estimate.totals())),
        Err(error) => {
            listener.end();
            return Err(error.into());
        }
    }
    let sweep_file = options.out.join("sweep.json");
    let earlier = read_json(&sweep_file, Digest::Optional);
    match &earlier {
        // What is finished keeps the record of where it came from.
        Ok(_) if left.is_empty() => {
            listener.end();
            return Ok(outcome);
        }
        Err(damage) if outcome.skipped > 0 => listener.noticed(&format!("{damage}; it is written anew")),
        _ => {}
    }
    let fork = options.fork_of.as_deref().map(|source| (source, kept));
    let provenance = Provenance::begin(plan, set, options, fork);
    // Of processes that share a sweep the first describes it, and each notes when it ended, so that the last's time stays.
    let is_described = !options.shard.is_whole() && earlier.is_ok_and(|earlier| provenance.is_of(&earlier));
    if !is_described {
        write_json(&sweep_file, &provenance)?;
    }

    let ended = train_all(&left, set, &folder, options, listener)?;
    listener.end();
    folder.lease().check().map_err(|TakenOver| SweepError::TakenOver)?;
    if let Err(error) = note_end(&sweep_file) {
        outcome.failed.push(("sweep.json".to_owned(), error.to_string()));
    }
    outcome.not_started = left.len() - ended.len();
    for (run, status, error) in ended {
        match status {
            Status::Finished => outcome.finished += 1,
            Status::Running => outcome.interrupted += 1,
            _ => outcome.failed.push((run.name(), error.unwrap_or_default())),
        }
    }
    Ok(outcome)
}

/// What a call of [`carry_out`] would do.
pub(crate) struct Foresight<'a> {
    /// The runs that it is about.
    pub(crate) chosen: Vec<&'a RunPlan>,
    /// Those of them that it would train.
    pub(crate) left: Vec<&'a RunPlan>,
    /// What they will cost, if that can be measured.
    pub(crate) cost: Option<Cost>,
}

/// Foresees what a call of [`carry_out`] would do. Nothing is written.
///
/// # Errors
/// The pattern chooses nothing, there is nothing to fork, or the runs do not fit into memory.
pub(crate) fn foresee<'a>(plan: &'a Plan, set: &ImageSet, options: &SweepOptions) -> Result<Foresight<'a>, SweepError> {
    let chosen = share(&Only::new(&options.only)?.choose(&plan.runs)?, set, options.shard);
    let sources = options.fork_of.as_deref().map_or(Ok(Vec::new()), fork::sources)?;
    check_options(&options.out, plan)?;
    let kept = fork::finished(&sources, &Unheard);
    let place = |run: &RunPlan| options.out.join("runs").join(run.name());
    let is_left = |run: &RunPlan| match RunState::of(&place(run)) {
        Ok(RunState::Open(None)) if kept.contains_key(&run.hash) => false,
        Ok(state) => matches!(state.step(options.retry_failed), NextStep::GoOn(_) | NextStep::Anew(_)),
        Err(_) => false,
    };
    let left: Vec<&RunPlan> = chosen.iter().copied().filter(|run| is_left(run)).collect();
    let at_once = places(&left, set, options);
    cost::refuse_hopeless(&left, set, at_once)?;
    let begun: Vec<Left> = left.iter().map(|run| left_of(run, &place(run))).collect();
    let cost = cost::estimate(&begun, set, at_once, Occasion::Asked, &options.signals)?;
    Ok(Foresight { chosen, left, cost })
}

/// A listener that is told and does not tell.
struct Unheard;

impl Listener for Unheard {}

fn left_of<'a>(run: &'a RunPlan, folder: &Path) -> Left<'a> {
    let (tasks, updates) = run_state::place(folder);
    Left { run, tasks, updates }
}

/// Whether a run's record says that it is finished, its files unseen.
fn is_finished(folder: &Path) -> bool {
    matches!(read_record(folder), Ok(Some(record)) if record.status == Status::Finished)
}

/// Finds the runs that have work left and clears their places; the outcome tells of the others.
fn select<'a>(
    folder: &SweepFolder,
    chosen: &[&'a RunPlan],
    retry_failed: bool,
    listener: &dyn Listener,
) -> (SweepOutcome, Vec<&'a RunPlan>) {
    let (mut outcome, mut left) = (SweepOutcome::default(), Vec::new());
    for &run in chosen {
        let place = folder.run(run);
        match RunState::of(&place)
            .map_or_else(|damage| NextStep::List(damage.to_string()), |state| state.step(retry_failed))
        {
            NextStep::Pass => {}
            NextStep::Skip => {
                // Killed between its record and this, the run left its checkpoint.
                let _ = fs::remove_dir_all(place.join("checkpoint"));
                outcome.skipped += 1;
            }
            NextStep::List(reason) => outcome.failed.push((run.name(), reason)),
            NextStep::LeaveFailed(reason) => {
                outcome.failed.push((run.name(), reason));
                outcome.repeatable += 1;
            }
            NextStep::GoOn(damage) => {
                if let Some(damage) = damage {
                    listener.noticed(&format!("{}: {damage}; the run goes on from its checkpoint", run.name()));
                }
                left.push(run);
            }
            NextStep::Anew(reason) => match folder.set_aside(run) {
                Ok(kept) => {
                    let kept = kept.display();
                    listener.noticed(&format!("{} is done again: {reason}; what was there is in {kept}", run.name()));
                    left.push(run);
                }
                Err(error) => outcome.failed.push((run.name(), format!("{reason}; and {error}"))),
            },
        }
    }
    (outcome, left)
}

/// Tells which runs are trained by themselves all the same, and why.
fn tell_singles(left: &[&RunPlan], listener: &dyn Listener) {
    let mut single: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for run in left {
        if let Some(reason) = is_single(run) {
            single.entry(reason).or_default().push(run.name());
        }
    }
    for (reason, runs) in single {
        let others = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
        listener.noticed(&format!("not in lock step, since {reason}: {}{others}", runs[0]));
    }
}

/// Writes the event files of runs that were trained without, or after theirs was stopped.
fn log_earlier(folder: &SweepFolder, chosen: &[&RunPlan], left: &[&RunPlan]) -> Result<(), SweepError> {
    let left: BTreeSet<String> = left.iter().map(|run| run.name()).collect();
    for run in chosen.iter().filter(|run| !left.contains(&run.name())) {
        let (place, events) = (folder.run(run), folder.events(run));
        if place.exists() && !EventFile::is_whole(&events, &place) {
            let begun = EventFile::begin(&events, &place);
            begun.and_then(|events| events.finish(&place)).map_err(SweepError::EventFile)?;
        }
    }
    Ok(())
}

/// A run that was begun, with its status and error.
type Ended<'a> = (&'a RunPlan, Status, Option<String>);

/// Trains the runs, several at a time, and returns those that were begun, with their status and error. The rest of their
/// records is on disk, and would add up here.
fn train_all<'a>(
    left: &[&'a RunPlan],
    set: &ImageSet,
    folder: &SweepFolder,
    options: &SweepOptions,
    listener: &dyn Listener,
) -> Result<Vec<Ended<'a>>, SweepError> {
    // Threads of libtorch inside of a run would only wait for each other.
    let single_threaded = |_| tch::set_num_threads(1);
    let crews = crews(left, set, options);
    let jobs = options.jobs.min(crews.len().max(1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).start_handler(single_threaded).build()?;
    let images = SharedImages::of(set);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let setting = Setting { images: &images, folder, options, listener, stop: &stop };
    // Each thread takes the next runs of the plan, in its order, so that whole seeds are complete early.
    let work = |_: rayon::BroadcastContext| {
        let mut ended = Vec::new();
        while !stop.load(Ordering::Relaxed) && options.signals.stop().is_none() {
            let Some(crew) = crews.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let Ok(records) = execute(crew, setting) else {
                stop.store(true, Ordering::Relaxed);
                break;
            };
            let told = |(&run, record): (&&'a RunPlan, RunRecord)| (run, record.status, record.error);
            ended.extend(crew.iter().zip(records).map(told));
        }
        ended
    };
    Ok(pool.broadcast(work).into_iter().flatten().collect())
}
