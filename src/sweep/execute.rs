//! One run carried out: resumed if it can be, recorded whatever becomes of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use trainability_record::atomic::WriteError;
use trainability_record::{Recorder, RunRecord, Status};
use trainability_tensor::{State, StateError};

use super::event_file::EventFile;
use super::folder::SweepFolder;
use super::lease::{Lease, TakenOver};
use super::listener::Listener;
use super::options::SweepOptions;
use super::panics::{panic_message, wants_memory};
use super::run_state::checkpoint_path;
use crate::learner::LearnerError;
use crate::run::checkpoint::{self, CheckpointError};
use crate::run::{Run, RunPlan, SharedImages, columns};

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

/// Carries a run out and returns its record, which is on disk as well wherever the disk allowed it.
///
/// # Errors
/// The run is another process's by now; nothing was written since.
pub(super) fn execute(
    plan: &RunPlan,
    images: &SharedImages,
    folder: &SweepFolder,
    options: &SweepOptions,
    listener: &dyn Listener,
) -> Result<RunRecord, TakenOver> {
    let (place, lease) = (folder.run(plan), folder.lease());
    let events = options.tensorboard.then(|| folder.events(plan));
    let folder = place.as_path();
    lease.check()?;
    lease.begin(plan.name());
    let mut record = RunRecord::begun(&plan.hash, &plan.method.label, &plan.schedule, plan.seed, plan.options.clone());
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let places = Places { folder, events: events.as_deref(), lease };
        train(plan, images, places, options, listener, &mut record)
    }));
    match attempt {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            record.status = Status::Failed;
            record.error = Some(error.to_string());
        }
        Err(panic) => {
            let message = panic_message(panic.as_ref());
            record.status = Status::Failed;
            // libtorch throws where the system has no memory: that may be otherwise another time.
            record.fault = !wants_memory(&message);
            record.error = Some(fault(&message, &record));
        }
    }
    lease.end(&plan.name());
    lease.check()?;
    if let Err(error) = record.write(folder) {
        let earlier = record.error.map(|earlier| format!("{earlier}; then ")).unwrap_or_default();
        record.status = Status::Failed;
        record.error = Some(format!("{earlier}{error}"));
    }
    // Only now: with the record on disk nobody needs the checkpoint, and without it the run would be resumed.
    if matches!(record.status, Status::Finished | Status::Diverged) {
        let _ = fs::remove_dir_all(folder.join("checkpoint"));
    }
    Ok(record)
}

/// What is said of a run that a panic stopped; the record is of the last update that was made.
fn fault(message: &str, record: &RunRecord) -> String {
    // Both counted from 1.
    let (task, update) = (record.tasks + 1, record.updates + 1);
    let loss = record.last_finite_loss.map_or("none".to_owned(), |loss| loss.to_string());
    format!(
        "stopped by a fault in the program in task {task}, at update {update}: {message}; the last finite loss was {loss}"
    )
}

fn train(
    plan: &RunPlan,
    images: &SharedImages,
    Places { folder, events, lease }: Places,
    options: &SweepOptions,
    listener: &dyn Listener,
    record: &mut RunRecord,
) -> Result<(), RunError> {
    let start = Instant::now();
    let signals = &options.signals;
    let Beginning { mut run, recorder, seconds: earlier, resumptions } = begin(plan, images, folder, listener)?;
    let events = events.map(|place| EventFile::begin(place, folder)).transpose().map_err(RunError::EventFile)?;
    let mut rows = RowFiles { folder, recorder, events };
    record.resumptions = resumptions;
    listener.updated(run.learner().updates());
    note(&run, start, &earlier, record);
    lease.check()?;
    record.write(folder)?;
    let mut last_checkpoint = Instant::now();
    let mut divergence = None;
    while !run.is_over() {
        let advance = match run.advance() {
            Ok(advance) => advance,
            Err(diverged) => {
                divergence = Some(diverged);
                break;
            }
        };
        (record.tasks, record.updates, record.last_finite_loss) =
            (run.tasks(), run.learner().updates(), run.learner().last_finite_loss());
        listener.updated(1);
        rows.recorder.add_controls(&advance.controls)?;
        if let Some(row) = &advance.task {
            rows.recorder.add_task(row)?;
        }
        if advance.task.is_some() || rows.waiting() > MOST_WAITING {
            let writing = Instant::now();
            lease.check()?;
            rows.flush()?;
            run.count_seconds("writing", writing);
        }
        let stop = signals.stop().is_some();
        let due = last_checkpoint.elapsed() >= options.checkpoint_every;
        if (stop || due) && !run.is_over() {
            let writing = Instant::now();
            lease.check()?;
            rows.flush()?;
            note(&run, start, &earlier, record);
            // Between each two of these the machine may have slept.
            rows.recorder.sync().map_err(unwritable(folder))?;
            lease.check()?;
            save(&run, &rows.recorder, folder, record)?;
            lease.check()?;
            record.write(folder)?;
            last_checkpoint = Instant::now();
            run.count_seconds("writing", writing);
            if stop {
                return Ok(());
            }
        }
    }
    lease.check()?;
    rows.flush()?;
    let checksums = rows.recorder.finish().map_err(unwritable(folder))?;
    rows.events.map(|events| events.finish(folder)).transpose().map_err(RunError::EventFile)?;
    note(&run, start, &earlier, record);
    record.checksums = checksums.into_iter().collect();
    record.status = if divergence.is_some() { Status::Diverged } else { Status::Finished };
    record.diverged_at_task = divergence.as_ref().map(|diverged| diverged.task);
    record.error = divergence.map(|diverged| diverged.to_string());
    Ok(())
}

/// Where a run is written, as long as it is this process's.
struct Places<'a> {
    folder: &'a Path,
    /// The folder of its event file, if it has one.
    events: Option<&'a Path>,
    lease: &'a Lease,
}

/// Where a run's rows go.
struct RowFiles<'a> {
    folder: &'a Path,
    recorder: Recorder,
    events: Option<EventFile>,
}

impl RowFiles<'_> {
    /// Bytes that are not yet on their way to the disk.
    fn waiting(&self) -> usize {
        self.recorder.waiting().iter().map(|rows| rows.len()).sum()
    }

    fn flush(&mut self) -> Result<(), RunError> {
        if let Some(events) = &mut self.events {
            events.add(self.recorder.waiting()).map_err(RunError::EventFile)?;
        }
        self.recorder.flush().map_err(unwritable(self.folder))
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
    Ok(Beginning { run: Run::sharing(plan, images)?, recorder, seconds: BTreeMap::new(), resumptions: 0 })
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
    Ok(Beginning { run, recorder, seconds: state.value("seconds")?, resumptions })
}

fn save(run: &Run, recorder: &Recorder, folder: &Path, record: &RunRecord) -> Result<(), RunError> {
    let mut state = State::default();
    state.put_part("run", run);
    state.put_value("configuration_hash", &record.configuration_hash);
    state.put_value("recorder", &recorder.written());
    state.put_value("seconds", &record.seconds);
    state.put_value("resumptions", &record.resumptions);
    let path = checkpoint_path(folder);
    fs::create_dir_all(path.parent().unwrap_or(folder))
        .map_err(|source| RunError::NoFolder { folder: folder.join("checkpoint"), source })?;
    Ok(checkpoint::write(&path, &state)?)
}

/// Writes into the record how far the run is, and the seconds of this attempt on top of those of earlier ones.
fn note(run: &Run, start: Instant, earlier: &BTreeMap<String, f64>, record: &mut RunRecord) {
    record.updates = run.learner().updates();
    record.tasks = run.tasks();
    record.last_finite_loss = run.learner().last_finite_loss();
    record.events = run.learner().events().to_vec();
    record.scheduled = run.learner().is_scheduled();
    (record.flat_curvature_events, record.unconverged_curvature_events) = run.learner().curvature_events();
    let now = run.seconds().iter().map(|(part, seconds)| (*part, *seconds));
    for (part, seconds) in now.chain([("total", start.elapsed().as_secs_f64())]) {
        record.seconds.insert(part.to_owned(), earlier.get(part).copied().unwrap_or_default() + seconds);
    }
}
