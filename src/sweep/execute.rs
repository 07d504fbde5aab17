//! One run carried out: resumed if it can be, recorded whatever becomes of it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trainability_baselines::State;

use super::folder::write_json;
use super::{Listener, Signals};
use crate::config::RunPlan;
use crate::data::ImageSet;
use crate::train::{Recorder, Run, RunRecord, Status, checkpoint};

/// A run checkpoints at the end of a task if its last checkpoint is older, and whenever a signal asks for it.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// Carries a run out and returns its record, which is on disk as well wherever the disk allowed it.
pub fn execute(plan: &RunPlan, set: &ImageSet, folder: &Path, listener: &dyn Listener, signals: &Signals) -> RunRecord {
    let mut record = RunRecord {
        status: Status::Running,
        configuration_hash: plan.hash.clone(),
        method: plan.method.label.clone(),
        schedule: plan.schedule.clone(),
        seed: plan.seed,
        options: plan.options.clone(),
        updates: 0,
        tasks: 0,
        seconds: BTreeMap::new(),
        events: Vec::new(),
        scheduled: false,
        flat_curvature_events: 0,
        unconverged_curvature_events: 0,
        diverged_at_task: None,
        error: None,
        checksums: BTreeMap::new(),
    };
    let attempt = catch_unwind(AssertUnwindSafe(|| train(plan, set, folder, listener, signals, &mut record)));
    let failure = match attempt {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{error:#}")),
        Err(panic) => Some(format!("stopped by a fault in the program: {}", panic_message(panic.as_ref()))),
    };
    if let Some(error) = failure {
        record.status = Status::Failed;
        record.error = Some(error);
    }
    if let Err(error) = write_record(folder, &record) {
        let earlier = record.error.map(|earlier| format!("{earlier}; then ")).unwrap_or_default();
        record.status = Status::Failed;
        record.error = Some(format!("{earlier}{error:#}"));
    }
    // Only now: with the record on disk nobody needs the checkpoint, and without it the run would be resumed.
    if matches!(record.status, Status::Finished | Status::Diverged) {
        let _ = fs::remove_dir_all(folder.join("checkpoint"));
    }
    record
}

fn write_record(folder: &Path, record: &RunRecord) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    write_json(&folder.join("run.json"), record)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap_or_else(|| "no message".to_owned())
}

fn train(
    plan: &RunPlan,
    set: &ImageSet,
    folder: &Path,
    listener: &dyn Listener,
    signals: &Signals,
    record: &mut RunRecord,
) -> Result<()> {
    let start = Instant::now();
    let (mut run, mut recorder, earlier) = begin(plan, set, folder)?;
    listener.updated(run.updates());
    note(&run, start, &earlier, record);
    write_record(folder, record)?;
    let mut last_checkpoint = Instant::now();
    let mut heard = signals.checkpoints();
    let mut divergence = None;
    while !run.is_over() {
        let advance = match run.advance() {
            Ok(advance) => advance,
            Err(diverged) => {
                divergence = Some(diverged);
                break;
            }
        };
        listener.updated(1);
        recorder.add_controls(&advance.controls)?;
        let ends_task = advance.task.is_some();
        if let Some(row) = advance.task {
            let writing = Instant::now();
            recorder.add_task(&row)?;
            recorder.flush().with_context(|| format!("cannot write to {}", folder.display()))?;
            run.count_seconds("writing", writing);
        }
        let stop = signals.stop().is_some();
        let requests = signals.checkpoints();
        let asked = stop || requests != heard;
        heard = requests;
        let due = ends_task && last_checkpoint.elapsed() > CHECKPOINT_EVERY;
        if (asked || due) && !run.is_over() {
            let writing = Instant::now();
            recorder.flush().with_context(|| format!("cannot write to {}", folder.display()))?;
            note(&run, start, &earlier, record);
            save(&run, &recorder, &plan.hash, folder, &record.seconds)?;
            write_record(folder, record)?;
            last_checkpoint = Instant::now();
            run.count_seconds("writing", writing);
            if stop {
                return Ok(());
            }
        }
    }
    let checksums = recorder.finish().with_context(|| format!("cannot write to {}", folder.display()))?;
    note(&run, start, &earlier, record);
    record.checksums = checksums.into_iter().collect();
    record.status = if divergence.is_some() { Status::Diverged } else { Status::Finished };
    record.diverged_at_task = divergence.as_ref().map(|diverged| diverged.task);
    record.error = divergence.map(|diverged| diverged.to_string());
    Ok(())
}

/// A run at its start, or where its checkpoint left it, with the seconds spent before.
fn begin(plan: &RunPlan, set: &ImageSet, folder: &Path) -> Result<(Run, Recorder, BTreeMap<String, f64>)> {
    if checkpoint_path(folder).exists() {
        match resume(plan, set, folder) {
            Ok(resumed) => return Ok(resumed),
            // The same options give the same bytes, so that nothing but time is lost.
            Err(error) => eprintln!("{}: begun anew, since its checkpoint is of no use: {error:#}", plan.name()),
        }
    }
    let recorder = Recorder::create(folder).with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok((Run::new(plan, set), recorder, BTreeMap::new()))
}

fn resume(plan: &RunPlan, set: &ImageSet, folder: &Path) -> Result<(Run, Recorder, BTreeMap<String, f64>)> {
    let state = checkpoint::read(&checkpoint_path(folder))?;
    let hash: String = state.value("configuration_hash")?;
    ensure!(hash == plan.hash, "it was made with other options");
    let mut run = Run::new(plan, set);
    state.restore_part("run", &mut run)?;
    let recorder = Recorder::resume(folder, state.value("recorder")?)?;
    Ok((run, recorder, state.value("seconds")?))
}

fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint").join("state.safetensors")
}

fn save(run: &Run, recorder: &Recorder, hash: &str, folder: &Path, seconds: &BTreeMap<String, f64>) -> Result<()> {
    let mut state = State::default();
    state.put_part("run", run);
    state.put_value("configuration_hash", &hash);
    state.put_value("recorder", &recorder.lengths());
    state.put_value("seconds", seconds);
    recorder.sync()?;
    fs::create_dir_all(folder.join("checkpoint"))?;
    checkpoint::write(&checkpoint_path(folder), &state)
}

/// Writes into the record how far the run is, and the seconds of this attempt on top of those of earlier ones.
fn note(run: &Run, start: Instant, earlier: &BTreeMap<String, f64>, record: &mut RunRecord) {
    record.updates = run.updates();
    record.tasks = run.tasks();
    record.events = run.events().to_vec();
    record.scheduled = run.is_scheduled();
    (record.flat_curvature_events, record.unconverged_curvature_events) = run.curvature_events();
    let now = run.seconds().iter().map(|(part, seconds)| (*part, *seconds));
    for (part, seconds) in now.chain([("total", start.elapsed().as_secs_f64())]) {
        record.seconds.insert(part.to_owned(), earlier.get(part).copied().unwrap_or_default() + seconds);
    }
}
