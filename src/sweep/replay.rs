//! The rates that a scheduler's runs are replayed at: for each seed of an arm the mean of the other seeds' rates. With its
//! own rates a seed would only be the same run once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use trainability_record::Damage;
use trainability_record::atomic::{self, WriteError};
use trainability_record::controls::{LayerSeries, read_traces};
use trainability_record::run::run_folders;
use trainability_record::table::TableError;

use super::run_state::RunState;

/// Why there are no rates to replay, in one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// There is no sweep.
    #[error("{} is no folder that `trainability sweep` wrote: sweep.json is missing", .0.display())]
    NoSweep(PathBuf),
    /// No run that has finished was steered by a schedule that takes decisions.
    #[error(
        "{} holds no two finished seeds of an arm whose schedule takes decisions: expected a sweep of one such as paper, \
         with at least two seeds", .0.display()
    )]
    NoArm(PathBuf),
    /// No finished run has a schedule that was asked for.
    #[error(
        "--schedules names {name:?}, expected labels of schedules that take decisions and have finished runs: {known}"
    )]
    NoSchedule {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The rows of an arm's seeds do not stand beside each other.
    #[error(
        "{} was measured at other updates or in other layers than {}: expected the same in all seeds of an arm, as tasks of \
         equal length have them", .run.display(), .first.display()
    )]
    Apart {
        /// The folder of the one.
        run: PathBuf,
        /// The folder of the arm's first.
        first: PathBuf,
    },
    /// A run's file is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// `controls.csv` cannot be read.
    #[error(transparent)]
    Unreadable(#[from] TableError),
    /// A file of rates cannot be written.
    #[error(transparent)]
    Unwritable(#[from] WriteError),
}

/// What was written for an arm.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Replayable {
    /// METHOD/SCHEDULE.
    pub arm: String,
    /// Its finished seeds, each of which has a file; none has one where it is alone.
    pub seeds: usize,
}

/// A finished run: its folder, its seed, and its rates.
struct Recorded {
    folder: PathBuf,
    seed: u64,
    layers: Vec<LayerSeries>,
}

/// Writes `replay/METHOD/SCHEDULE/seed-N.csv` in a sweep's folder for every seed of every arm whose schedule takes decisions
/// and has at least two finished seeds; with `schedules`, of these alone. The columns are `update` (from 1), `layer` and
/// `learning_rate`: the geometric mean, over the arm's other finished seeds, of what their `controls.csv` has there.
///
/// # Errors
/// There is no sweep or no such arm, seeds of one were measured at different updates, or a file cannot be read or written.
pub(crate) fn write_rates(results: &Path, schedules: Option<&[String]>) -> Result<Vec<Replayable>, ReplayError> {
    if !results.join("sweep.json").exists() {
        return Err(ReplayError::NoSweep(results.to_owned()));
    }
    let mut arms: BTreeMap<[String; 2], Vec<(u64, PathBuf)>> = BTreeMap::new();
    for folder in run_folders(results) {
        match RunState::of(&folder)? {
            RunState::Finished(record) if record.scheduled => {
                arms.entry(labels(&folder)).or_default().push((record.seed, folder));
            }
            RunState::Damaged { damage, .. } => return Err(damage.into()),
            _ => {}
        }
    }
    if let Some(names) = schedules {
        let known: BTreeSet<String> = arms.keys().map(|[_, schedule]| schedule.clone()).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(*name)) {
            let known = if known.is_empty() { "there are none".into() } else { Vec::from_iter(known).join(", ") };
            return Err(ReplayError::NoSchedule { name: name.clone(), known });
        }
        arms.retain(|[_, schedule], _| names.contains(schedule));
    }
    if arms.values().all(|seeds| seeds.len() < 2) {
        return Err(ReplayError::NoArm(results.to_owned()));
    }
    let mut written = Vec::new();
    for ([method, schedule], mut seeds) in arms {
        seeds.sort();
        let arm = format!("{method}/{schedule}");
        written.push(Replayable { arm: arm.clone(), seeds: seeds.len() });
        if seeds.len() < 2 {
            continue;
        }
        let runs = seeds.into_iter().map(|(seed, folder)| read(folder, seed)).collect::<Result<Vec<_>, _>>()?;
        check_alike(&runs)?;
        let folder = results.join("replay").join(arm);
        atomic::make_folder(&folder)?;
        for run in &runs {
            let others: Vec<&Recorded> = runs.iter().filter(|other| other.seed != run.seed).collect();
            let path = folder.join(format!("seed-{}.csv", run.seed));
            let failed = |error: csv::Error| WriteError::Content {
                path: path.clone(),
                format: "CSV",
                reason: error.to_string(),
            };
            atomic::write(&path, &mean_rates(&others).map_err(failed)?)?;
        }
    }
    Ok(written)
}

/// Method and schedule of a run, as its folder METHOD/SCHEDULE/seed-N has them.
fn labels(folder: &Path) -> [String; 2] {
    let name = |up: usize| folder.ancestors().nth(up).and_then(Path::file_name).unwrap_or_default();
    [2, 1].map(|up| name(up).to_string_lossy().into_owned())
}

fn read(folder: PathBuf, seed: u64) -> Result<Recorded, ReplayError> {
    let path = folder.join("controls.csv");
    let file = File::open(&path).map_err(|source| Damage::Unreadable { path: path.clone(), source })?;
    let layers = read_traces(&path, file, &[], &[])?;
    Ok(Recorded { folder, seed, layers })
}

/// Refuses runs whose rows do not stand beside each other, all layers at the same updates.
fn check_alike(runs: &[Recorded]) -> Result<(), ReplayError> {
    let names = |run: &Recorded| run.layers.iter().map(|layer| layer.layer.clone()).collect::<Vec<_>>();
    let updates = runs[0].layers.first().map(|layer| &layer.updates);
    let alike = |run: &&Recorded| {
        names(run) == names(&runs[0]) && run.layers.iter().all(|layer| Some(&layer.updates) == updates)
    };
    match runs.iter().find(|run| !alike(run)) {
        Some(run) => Err(ReplayError::Apart { run: run.folder.clone(), first: runs[0].folder.clone() }),
        None => Ok(()),
    }
}

/// The geometric mean of some runs' rates, as a CSV file.
fn mean_rates(runs: &[&Recorded]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["update", "layer", "learning_rate"])?;
    for (row, update) in runs[0].layers.first().map_or(&[][..], |layer| &layer.updates).iter().enumerate() {
        for (index, layer) in runs[0].layers.iter().enumerate() {
            let rates = runs.iter().map(|run| run.layers[index].learning_rates[row]);
            writer.serialize((update, &layer.layer, geometric_mean(rates)))?;
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// Of rates that are all the same, that very rate.
fn geometric_mean(mut rates: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = rates.len() as f64;
    let Some(first) = rates.next() else { return f64::NAN };
    first * (rates.map(|rate| (rate / first).ln()).sum::<f64>() / count).exp()
}
