//! Runs carried out, one alone or several in lock step: resumed if they can be, recorded whatever becomes of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use trainability_record::atomic::WriteError;
use trainability_record::{Recorder, RunRecord, Status};
use trainability_tensor::{State, StateError};

use super::crew::joins;
use super::event_file::EventFile;
use super::folder::SweepFolder;
use super::lease::TakenOver;
use super::listener::Listener;
use super::options::SweepOptions;
use super::panics::{panic_message, wants_memory};
use super::run_state::checkpoint_path;
use crate::learner::LearnerError;
use crate::run::checkpoint::{self, CheckpointError};
use crate::run::{Advance, Lockstep, Run, RunDiverged, RunPlan, SharedImages, columns};

/// Rows that may wait for the end of a task, in bytes.
const MOST_WAITING: usize = 1 << 20;

/// Why a run could not go on, or could not be resumed.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("cannot write to {}: {source}", .folder.display())]
    Unwritable { folder: PathBuf, source: io::Error },
    /// The path is part of what the system says.
    #[error("cannot write an event file: {0}")]
    EventFile(io::Error),
    #[error("cannot make the folder {}: {source}", .folder.display())]
    NoFolder { folder: PathBuf, source: io::Error },
    /// A row that is no CSV, or a file of rows that does not fit the checkpoint.
    #[error(transparent)]
    Rows(#[from] io::Error),
    #[error(transparent)]
    Record(#[from] WriteError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Learner(#[from] LearnerError),
    #[error("it was made with other options")]
    OtherOptions,
    #[error(transparent)]
    TakenOver(#[from] TakenOver),
}

/// What the file system says of a run's folder.
fn unwritable(folder: &Path) -> impl Fn(io::Error) -> RunError {
    move |source| RunError::Unwritable { folder: folder.to_owned(), source }
}

/// What runs are carried out with.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub(super) images: &'a SharedImages<'a>,
    pub(super) folder: &'a SweepFolder,
    pub(super) options: &'a SweepOptions,
    pub(super) listener: &'a dyn Listener,
    /// Set where no further run is to be started.
    pub(super) stop: &'a AtomicBool,
}

/// Carries out one run, or several in lock step, and returns their records in the same order, which are on disk as well wherever
/// the disk allowed it. The listener is told of each when it is over.
///
/// # Errors
/// The runs are another process's by now; nothing was written since.
pub(super) fn execute(plans: &[&RunPlan], setting: Setting) -> Result<Vec<RunRecord>, TakenOver> {
    let lease = setting.folder.lease();
    lease.check()?;
    let mut members: Vec<RunAtWork> = plans.iter().map(|plan| RunAtWork::of(plan, setting)).collect();
    plans.iter().for_each(|plan| lease.begin(plan.name()));
    let attempt = catch_unwind(AssertUnwindSafe(|| train(&mut members, setting)));
    let mut taken_over = attempt.as_ref().is_ok_and(Result::is_err);
    if let Err(panic) = attempt {
        let message = panic_message(panic.as_ref());
        let left: Vec<&mut RunAtWork> = members.iter_mut().filter(|member| !member.has_ended).collect();
        if plans.len() > 1 {
            // It may be the fault of one of them, and the others have checkpoints.
            let several = left.len();
            let sentence = format!("{several} runs in lock step were stopped and go on one by one: {message}");
            setting.listener.noticed(&sentence);
        }
        for member in left {
            member.rows = None;
            if plans.len() > 1 {
                member.record = execute(&[member.plan], setting)?.remove(0);
                continue;
            }
            member.record.status = Status::Failed;
            // libtorch throws where the system has no memory: that may be otherwise another time.
            member.record.fault = !wants_memory(&message);
            member.record.error = Some(fault(&message, &member.record));
            taken_over |= member.end(setting).is_err();
        }
    }
    plans.iter().for_each(|plan| lease.end(&plan.name()));
    lease.check()?;
    if taken_over { Err(TakenOver) } else { Ok(members.into_iter().map(|member| member.record).collect()) }
}

/// What is said of a run that a panic stopped; the record is of the last update that was made.
fn fault(message: &str, record: &RunRecord) -> String {
    // Both counted from 1.
    let (task, update) = (record.tasks + 1, record.updates + 1);
    let loss = record.last_finite_loss.map_or("none".to_owned(), |loss| loss.to_string());
    // In lock step on a GPU the record is of the last update whose loss was read.
    let later = if record.lockstep { " or after it" } else { "" };
    format!(
        "stopped by a fault in the program in task {task}, at update {update}{later}: {message}; the last finite loss was \
         {loss}"
    )
}

/// The runs that one thread trains.
enum Crew {
    Alone(Box<Run>),
    Lockstep(Box<Lockstep>),
}

impl Crew {
    fn of(mut runs: Vec<Run>, in_lockstep: bool) -> Option<Crew> {
        match in_lockstep {
            true => Some(Crew::Lockstep(Box::new(Lockstep::of(runs)))),
            false => runs.pop().map(|run| Crew::Alone(Box::new(run))),
        }
    }

    fn run_mut(&mut self, index: usize) -> &mut Run {
        match self {
            Crew::Alone(run) => run,
            Crew::Lockstep(runs) => runs.run_mut(index),
        }
    }

    /// The next update of those that take part in it, by their places.
    fn advance(&mut self) -> Vec<(usize, Result<Advance, RunDiverged>)> {
        match self {
            Crew::Alone(run) => vec![(0, run.advance())],
            Crew::Lockstep(runs) => runs.advance(),
        }
    }

    /// Trains one of them no further.
    fn leave(&mut self, index: usize) {
        if let Crew::Lockstep(runs) = self {
            runs.leave(index);
        }
    }
}

/// A run that is carried out, alone or with others.
struct RunAtWork<'a> {
    plan: &'a RunPlan,
    folder: PathBuf,
    record: RunRecord,
    /// Where its rows go, from its beginning to its end.
    rows: Option<RowFiles>,
    /// Seconds spent before.
    earlier: BTreeMap<String, f64>,
    /// Its share of the seconds of this attempt.
    spent: f64,
    has_ended: bool,
}

/// Trains runs to their ends, or until something asks to stop.
///
/// # Errors
/// The runs are another process's by now.
fn train(members: &mut [RunAtWork], setting: Setting) -> Result<(), TakenOver> {
    let options = setting.options;
    let mut clock = Clock { since: Instant::now(), runs: members.len() };
    let (mut crewed, mut runs): (Vec<&mut RunAtWork>, Vec<Run>) = (Vec::new(), Vec::new());
    for member in members {
        match member.begin(clock, setting) {
            Ok(run) => {
                crewed.push(member);
                runs.push(run);
            }
            Err(error) => member.fail(&error, setting)?,
        }
    }
    let Some(mut crew) = Crew::of(runs, crewed.iter().all(|member| joins(member.plan, options))) else { return Ok(()) };
    for (index, member) in crewed.iter_mut().enumerate() {
        let run = crew.run_mut(index);
        if run.is_over() {
            if let Err(error) = member.finish(run, None, clock, setting) {
                member.fail(&error, setting)?;
            }
            crew.leave(index);
        }
    }
    let mut last_checkpoint = Instant::now();
    loop {
        let going = crewed.iter().filter(|member| !member.has_ended).count();
        if going == 0 {
            return Ok(());
        }
        clock.runs = going;
        let advanced = crew.advance();
        crewed.iter_mut().filter(|member| !member.has_ended).for_each(|member| member.spent += clock.share());
        clock.since = Instant::now();
        for (index, advance) in advanced {
            let (member, run) = (&mut crewed[index], crew.run_mut(index));
            let taken = match advance {
                Ok(advance) => {
                    let taken = member.take_in(&advance, run, setting);
                    if run.is_over() { taken.and_then(|()| member.finish(run, None, clock, setting)) } else { taken }
                }
                Err(diverged) => member.finish(run, Some(diverged), clock, setting),
            };
            if let Err(error) = taken {
                member.fail(&error, setting)?;
            }
            if member.has_ended {
                crew.leave(index);
            }
        }
        let stop = options.signals.stop().is_some();
        if stop || last_checkpoint.elapsed() >= options.checkpoint_every {
            for (index, member) in crewed.iter_mut().enumerate().filter(|(_, member)| !member.has_ended) {
                let saved = member.save(crew.run_mut(index), clock, setting);
                let left = match saved {
                    Ok(()) if !stop => continue,
                    Ok(()) => member.end(setting),
                    Err(error) => member.fail(&error, setting),
                };
                left?;
                crew.leave(index);
            }
            last_checkpoint = Instant::now();
        }
    }
}

/// The time that has not been counted yet, of runs that share a thread.
#[derive(Clone, Copy)]
struct Clock {
    since: Instant,
    runs: usize,
}

impl Clock {
    /// The seconds of one of them.
    fn share(self) -> f64 {
        self.since.elapsed().as_secs_f64() / self.runs as f64
    }
}

impl<'a> RunAtWork<'a> {
    fn of(plan: &'a RunPlan, setting: Setting) -> RunAtWork<'a> {
        let record = RunRecord::begun(&plan.hash, &plan.method.label, &plan.schedule, plan.seed, plan.options.clone());
        let folder = setting.folder.run(plan);
        RunAtWork { plan, folder, record, rows: None, earlier: BTreeMap::new(), spent: 0.0, has_ended: false }
    }

    /// Sets the run up, or takes it up where it was.
    fn begin(&mut self, clock: Clock, setting: Setting) -> Result<Run, RunError> {
        let Setting { images, folder, options, listener, .. } = setting;
        let Beginning { run, recorder, seconds, resumptions, lockstep } =
            begin(self.plan, images, &self.folder, listener)?;
        let events = options.tensorboard.then(|| EventFile::begin(&folder.events(self.plan), &self.folder));
        let events = events.transpose().map_err(RunError::EventFile)?;
        self.rows = Some(RowFiles { folder: self.folder.clone(), recorder, events });
        self.earlier = seconds;
        self.record.resumptions = resumptions;
        self.record.lockstep = lockstep || joins(self.plan, options);
        listener.updated(run.learner().updates());
        self.note(&run, clock);
        folder.lease().check()?;
        self.record.write(&self.folder)?;
        Ok(run)
    }

    /// Writes down what an update left.
    fn take_in(&mut self, advance: &Advance, run: &mut Run, setting: Setting) -> Result<(), RunError> {
        (self.record.tasks, self.record.last_finite_loss) = (run.tasks(), run.learner().last_finite_loss());
        self.count_updates(run, setting);
        let rows = self.rows.as_mut().expect("a run that has begun has rows");
        rows.recorder.add_controls(&advance.controls)?;
        if let Some(row) = &advance.task {
            rows.recorder.add_task(row)?;
        }
        if advance.task.is_some() || rows.waiting() > MOST_WAITING {
            let writing = Instant::now();
            setting.folder.lease().check()?;
            rows.flush()?;
            run.count_seconds("writing", writing);
        }
        Ok(())
    }

    /// Tells of the updates that were made since it was last told.
    fn count_updates(&mut self, run: &Run, setting: Setting) {
        let before = std::mem::replace(&mut self.record.updates, run.learner().updates());
        setting.listener.updated(self.record.updates - before);
    }

    /// Writes a checkpoint.
    fn save(&mut self, run: &mut Run, clock: Clock, setting: Setting) -> Result<(), RunError> {
        let (writing, lease) = (Instant::now(), setting.folder.lease());
        lease.check()?;
        self.note(run, clock);
        let rows = self.rows.as_mut().expect("a run that has begun has rows");
        rows.flush()?;
        // Between each two of these the machine may have slept.
        rows.recorder.sync().map_err(unwritable(&self.folder))?;
        lease.check()?;
        save(run, &rows.recorder, &self.folder, &self.record)?;
        lease.check()?;
        self.record.write(&self.folder)?;
        run.count_seconds("writing", writing);
        Ok(())
    }

    /// Completes the files of a run that is over, one way or the other.
    fn finish(
        &mut self,
        run: &Run,
        divergence: Option<RunDiverged>,
        clock: Clock,
        setting: Setting,
    ) -> Result<(), RunError> {
        setting.folder.lease().check()?;
        self.count_updates(run, setting);
        let mut rows = self.rows.take().expect("a run that has begun has rows");
        rows.flush()?;
        let checksums = rows.recorder.finish().map_err(unwritable(&self.folder))?;
        rows.events.map(|events| events.finish(&self.folder)).transpose().map_err(RunError::EventFile)?;
        self.note(run, clock);
        self.record.checksums = checksums.into_iter().collect();
        self.record.status = if divergence.is_some() { Status::Diverged } else { Status::Finished };
        self.record.diverged_at_task = divergence.as_ref().map(|diverged| diverged.task);
        self.record.error = divergence.map(|diverged| diverged.to_string());
        Ok(self.end(setting)?)
    }

    /// Ends a run that cannot go on.
    fn fail(&mut self, error: &RunError, setting: Setting) -> Result<(), TakenOver> {
        self.record.status = Status::Failed;
        self.record.error = Some(error.to_string());
        self.end(setting)
    }

    /// Writes the record and tells of it.
    fn end(&mut self, setting: Setting) -> Result<(), TakenOver> {
        self.has_ended = true;
        self.rows = None;
        let lease = setting.folder.lease();
        lease.end(&self.plan.name());
        lease.check()?;
        let record = &mut self.record;
        if let Err(error) = record.write(&self.folder) {
            let earlier = record.error.take().map(|earlier| format!("{earlier}; then ")).unwrap_or_default();
            record.status = Status::Failed;
            record.error = Some(format!("{earlier}{error}"));
        }
        // Only now: with the record on disk nobody needs the checkpoint, and without it the run would be resumed.
        if matches!(record.status, Status::Finished | Status::Diverged) {
            let _ = fs::remove_dir_all(self.folder.join("checkpoint"));
        }
        if setting.options.fail_fast && !matches!(record.status, Status::Finished | Status::Running) {
            setting.stop.store(true, Ordering::Relaxed);
        }
        setting.listener.ended(self.plan, record);
        Ok(())
    }

    /// Writes into the record how far the run is, and the seconds of this attempt on top of those of earlier ones.
    fn note(&mut self, run: &Run, clock: Clock) {
        let (record, learner) = (&mut self.record, run.learner());
        record.updates = learner.updates();
        record.tasks = run.tasks();
        record.last_finite_loss = learner.last_finite_loss();
        record.events = learner.events().to_vec();
        record.scheduled = learner.is_scheduled();
        (record.flat_curvature_events, record.unconverged_curvature_events) = learner.curvature_events();
        let now = run.seconds().iter().map(|(part, seconds)| (*part, *seconds));
        let total = self.spent + clock.share();
        for (part, seconds) in now.chain([("total", total)]) {
            record.seconds.insert(part.to_owned(), self.earlier.get(part).copied().unwrap_or_default() + seconds);
        }
    }
}

/// Where a run's rows go.
struct RowFiles {
    folder: PathBuf,
    recorder: Recorder,
    events: Option<EventFile>,
}

impl RowFiles {
    /// Bytes that are not yet on their way to the disk.
    fn waiting(&self) -> usize {
        self.recorder.waiting().iter().map(|rows| rows.len()).sum()
    }

    fn flush(&mut self) -> Result<(), RunError> {
        if let Some(events) = &mut self.events {
            events.add(self.recorder.waiting()).map_err(RunError::EventFile)?;
        }
        self.recorder.flush().map_err(unwritable(&self.folder))
    }
}

/// A run at its start, or where its checkpoint left it.
struct Beginning {
    run: Run,
    recorder: Recorder,
    /// Seconds spent before.
    seconds: BTreeMap<String, f64>,
    /// How often it has been resumed, this time included.
    resumptions: u64,
    /// Whether a part of it was trained in lock step.
    lockstep: bool,
}

fn begin(plan: &RunPlan, images: &SharedImages, folder: &Path, listener: &dyn Listener) -> Result<Beginning, RunError> {
    remove_unfinished_files(folder);
    if checkpoint_path(folder).exists() {
        match resume(plan, images, folder) {
            Ok(resumed) => return Ok(resumed),
            // The same options give the same bytes, so that nothing but time is lost.
            Err(error) => {
                let notice = format!("{}: begun anew, since its checkpoint is of no use: {error}", plan.name());
                listener.noticed(&notice);
            }
        }
    }
    let recorder = Recorder::create(folder, &columns()).map_err(unwritable(folder))?;
    let run = Run::sharing(plan, images)?;
    Ok(Beginning { run, recorder, seconds: BTreeMap::new(), resumptions: 0, lockstep: false })
}

/// Removes what a killed process had begun to write under a temporary name, which begins with a dot.
fn remove_unfinished_files(folder: &Path) {
    for folder in [folder, &folder.join("checkpoint")] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn resume(plan: &RunPlan, images: &SharedImages, folder: &Path) -> Result<Beginning, RunError> {
    let state = checkpoint::read(&checkpoint_path(folder))?;
    let hash: String = state.value("configuration_hash")?;
    if hash != plan.hash {
        return Err(RunError::OtherOptions);
    }
    let mut run = Run::sharing(plan, images)?;
    state.restore_part("run", &mut run)?;
    let recorder = Recorder::resume(folder, &columns(), &state.value("recorder")?)?;
    let resumptions = state.value::<u64>("resumptions")? + 1;
    // Checkpoints of earlier versions do not tell.
    let lockstep = state.values.contains_key("lockstep") && state.value("lockstep")?;
    Ok(Beginning { run, recorder, seconds: state.value("seconds")?, resumptions, lockstep })
}

fn save(run: &Run, recorder: &Recorder, folder: &Path, record: &RunRecord) -> Result<(), RunError> {
    let mut state = State::default();
    state.put_part("run", run);
    state.put_value("configuration_hash", &record.configuration_hash);
    state.put_value("recorder", &recorder.written());
    state.put_value("seconds", &record.seconds);
    state.put_value("resumptions", &record.resumptions);
    state.put_value("lockstep", &record.lockstep);
    let path = checkpoint_path(folder);
    fs::create_dir_all(path.parent().unwrap_or(folder))
        .map_err(|source| RunError::NoFolder { folder: folder.join("checkpoint"), source })?;
    Ok(checkpoint::write(&path, &state)?)
}
