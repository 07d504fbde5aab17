//! A sweep that starts from the finished runs of another whose options still fit.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use trainability_record::run::run_folders;
use trainability_record::{CSV_FILES, RunRecord, Status, read_record};

use super::error::SweepError;
use super::folder::SweepFolder;
use super::listener::Listener;
use crate::run::RunPlan;

/// The runs of the sweep that is forked.
///
/// # Errors
/// There are none.
pub(super) fn sources(source: &Path) -> Result<Vec<PathBuf>, SweepError> {
    let sources = run_folders(source);
    if sources.is_empty() {
        return Err(SweepError::NothingToFork(source.to_owned()));
    }
    Ok(sources)
}

/// Copies those finished runs of `sources` that have the options of a run of `runs` into `folder`, and tells how many
/// were copied. They are found by their options and not by their label; each is compared with its checksums.
///
/// # Errors
/// A copy cannot be written.
pub(super) fn keep(
    sources: &[PathBuf],
    folder: &SweepFolder,
    runs: &[&RunPlan],
    listener: &dyn Listener,
) -> Result<usize, SweepError> {
    let finished = finished(sources, listener);
    let mut kept = 0;
    for run in runs.iter().filter(|run| !folder.run(run).exists()) {
        let Some((place, record)) = finished.get(&run.hash) else { continue };
        if let Err(damage) = record.verify(place) {
            listener.noticed(&format!("{} is not kept: {damage}", place.display()));
            continue;
        }
        copy(place, record, folder, run).map_err(|source| SweepError::Copy { run: place.to_path_buf(), source })?;
        kept += 1;
    }
    Ok(kept)
}

/// The finished runs among `sources`, by the hash of their options.
pub(super) fn finished<'a>(
    sources: &'a [PathBuf],
    listener: &dyn Listener,
) -> HashMap<String, (&'a PathBuf, RunRecord)> {
    let mut finished = HashMap::new();
    for place in sources {
        match read_record(place) {
            Ok(Some(record)) if record.status == Status::Finished => {
                finished.insert(record.configuration_hash.clone(), (place, record));
            }
            Ok(_) => {}
            Err(damage) => listener.noticed(&format!("{} is not kept: {damage}", place.display())),
        }
    }
    finished
}

/// Copies one run: its folder appears under its name when it is complete.
fn copy(
    place: &Path,
    record: &RunRecord,
    folder: &SweepFolder,
    run: &RunPlan,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let incoming = folder.incoming();
    if incoming.exists() {
        fs::remove_dir_all(&incoming)?;
    }
    fs::create_dir(&incoming)?;
    for name in CSV_FILES {
        fs::copy(place.join(name), incoming.join(name))?;
        File::open(incoming.join(name))?.sync_all()?;
    }
    let labels = (run.method.label.clone(), run.schedule.clone());
    let record = RunRecord { method: labels.0, schedule: labels.1, ..record.clone() };
    record.write(&incoming)?;
    record.verify(&incoming)?;
    let goal = folder.run(run);
    fs::create_dir_all(goal.parent().unwrap_or(&goal))?;
    fs::rename(&incoming, &goal)?;
    Ok(())
}
