//! A sweep's folder in memory: what every run recorded, read only, without tensors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use trainability_record::controls::{LayerSeries, read_traces};
use trainability_record::partial::whole_rows;
use trainability_record::sweep::read_sweep;
use trainability_record::table::TableError;
use trainability_record::tasks::read_tasks;
use trainability_record::{CSV_FILES, Damage, Glossary, RunRecord, Status, read_record};

use crate::figures_bound::{ALSO_READ, take_columns};
use crate::results_error::ResultsError;
use crate::series::{Arm, EFFECTIVE_STEP, Series};

/// One run's folder.
#[derive(Clone, Debug)]
pub(crate) struct RecordedRun {
    /// The folder, relative to the sweep's.
    pub folder: PathBuf,
    /// Method and schedule.
    pub arm: Arm,
    /// The seed.
    pub seed: u64,
    /// The content of `run.json`; absent while a run has not written one, or if it is damaged.
    pub record: Option<RunRecord>,
    /// Why what the run wrote is not to be used, in a sentence.
    pub damage: Option<String>,
    /// `tasks.csv`, a value a task, as far as the run has come; empty unless it has finished or goes on.
    pub series: Series,
    /// `controls.csv` by layer, likewise.
    pub traces: Vec<LayerSeries>,
}

impl RecordedRun {
    /// Whether the run is complete and its files are what it wrote; only such runs enter statistics.
    pub(crate) fn finished(&self) -> bool {
        self.status() == Some(Status::Finished) && self.damage.is_none()
    }

    /// Whether the run is under way or was interrupted, and so may be looked at, but counts for nothing.
    pub(crate) fn unfinished(&self) -> bool {
        self.status() == Some(Status::Running) && self.damage.is_none()
    }

    /// The tasks that it has rows of.
    pub(crate) fn tasks(&self) -> usize {
        self.series.online_accuracy().len()
    }

    /// Reads the numbers of a run that has finished or goes on.
    fn read_numbers(&mut self, root: &Path, wanted: &[&str]) -> Result<(), ResultsError> {
        let place = root.join(&self.folder);
        let Some(record) = &self.record else { return Ok(()) };
        match record.status {
            Status::Running => return self.read_rows_so_far(&place, wanted),
            Status::Finished => {}
            Status::Diverged | Status::Failed => return Ok(()),
        }
        let [tasks, controls] = CSV_FILES;
        let read = |name| record.read_verified(&place, name);
        match read(tasks).and_then(|tasks| Ok((tasks, read(controls)?))) {
            Ok((task_rows, control_rows)) => {
                let mut columns = read_tasks(&place.join(tasks), &task_rows[..])?;
                self.traces = read_traces(&place.join(controls), &control_rows[..], wanted, &ALSO_READ)?;
                let tasks = columns.values().next().map_or(0, Vec::len);
                columns.extend(take_columns(&mut self.traces, &record.options, tasks));
                self.series.columns = columns.into();
            }
            Err(damage) => self.damage = Some(left_out(damage)?),
        }
        Ok(())
    }

    /// Reads what a run that has not finished has written. Rows that no run can have written are damage.
    fn read_rows_so_far(&mut self, place: &Path, wanted: &[&str]) -> Result<(), ResultsError> {
        let [tasks, controls] = CSV_FILES.map(|name| place.join(format!("{name}.partial")));
        let rows = |path: &Path, name| {
            whole_rows(place, name).map_err(|source| ResultsError::Io { path: path.to_owned(), source })
        };
        let (task_rows, control_rows) = (rows(&tasks, CSV_FILES[0])?, rows(&controls, CSV_FILES[1])?);
        let read = || {
            let columns = if task_rows.is_empty() { BTreeMap::new() } else { read_tasks(&tasks, &task_rows[..])? };
            let traces = if control_rows.is_empty() {
                Vec::new()
            } else {
                read_traces(&controls, &control_rows[..], wanted, &[])?
            };
            Ok::<_, TableError>((columns, traces))
        };
        match read() {
            Ok((columns, _)) if !follow_each_other(columns.get("task").map_or(&[], Vec::as_slice)) => {
                self.damage = Some(format!("{}: its tasks do not follow each other", tasks.display()));
            }
            Ok((columns, traces)) => (self.series.columns, self.traces) = (columns.into(), traces),
            Err(error) => self.damage = Some(error.to_string()),
        }
        Ok(())
    }

    /// The measured updates of a layer.
    pub(crate) fn trace(&self, layer: &str) -> Option<&LayerSeries> {
        self.traces.iter().find(|trace| trace.layer == layer)
    }

    /// Where the run stands; `None` while it has not written a record.
    pub(crate) fn status(&self) -> Option<Status> {
        self.record.as_ref().map(|record| record.status)
    }
}

/// A sweep: all of its runs, and where it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordedSweep {
    /// The folder's name.
    pub name: String,
    /// The configuration and provenance of `sweep.json`; absent if there is no such file.
    pub provenance: Option<serde_json::Value>,
    /// What the names in the runs' files mean.
    pub glossary: Glossary,
    /// All runs, by method, schedule and seed in the sweep's order.
    pub runs: Vec<RecordedRun>,
}

impl RecordedSweep {
    /// Reads the records of a sweep's runs, from which it can be told which runs are wanted; their numbers come by
    /// [`RecordedSweep::read_numbers`]. Runs that failed, diverged or are damaged have none.
    ///
    /// # Errors
    /// When there is no sweep, only its summaries are left, `sweep.json` is damaged, or a file cannot be read.
    pub(crate) fn survey(folder: &Path) -> Result<Self, ResultsError> {
        let (provenance, glossary) = match read_sweep(folder) {
            Ok(Some((provenance, glossary))) => (Some(provenance), glossary),
            Ok(None) => (None, Glossary::format2()),
            Err(Damage::Unreadable { path, source }) => return Err(ResultsError::Io { path, source }),
            Err(damage) => return Err(ResultsError::Damaged(damage)),
        };
        let places = find(folder)?;
        if places.is_empty() {
            let summarised = provenance.is_some() || folder.join("summary.csv").exists();
            let reason = if summarised { ResultsError::RunsRemoved } else { ResultsError::NotASweep };
            return Err(reason(folder.to_owned()));
        }
        let runs: Result<Vec<_>, _> = places.par_iter().map(|place| load_run(folder, place)).collect();
        let mut sweep = Self { name: folder_name(folder), provenance, glossary, runs: runs? };
        sweep.sort();
        for pair in sweep.runs.windows(2) {
            if pair[0].arm == pair[1].arm && pair[0].seed == pair[1].seed {
                return Err(ResultsError::Twice(pair[0].folder.clone(), pair[1].folder.clone()));
            }
        }
        Ok(sweep)
    }

    /// Reads the numbers of the runs that have finished or go on, after [`RecordedSweep::survey`] of the same folder.
    ///
    /// # Errors
    /// When a file cannot be read, or is not what it should be.
    pub(crate) fn read_numbers(&mut self, folder: &Path) -> Result<(), ResultsError> {
        let wanted = traced_columns(&self.glossary);
        self.runs.par_iter_mut().try_for_each(|run| run.read_numbers(folder, &wanted))
    }

    /// The runs that are under way or were interrupted, as far as they have come.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &RecordedRun> {
        self.runs.iter().filter(|run| run.unfinished())
    }

    /// The runs that are complete.
    pub(crate) fn finished(&self) -> impl Iterator<Item = &RecordedRun> {
        self.runs.iter().filter(|run| run.finished())
    }

    pub(crate) fn sort(&mut self) {
        let configured = |key| self.provenance.as_ref().map_or_else(Vec::new, |value| labels(value, key));
        let (methods, schedules) = (configured("methods"), configured("schedules"));
        let rank = |order: &[String], label: &str, first: &str, last: &str| {
            let known = order.iter().enumerate().filter(|(_, known)| label.starts_with(known.as_str()));
            let place = known.max_by_key(|(_, known)| known.len()).map_or(order.len(), |(place, _)| place);
            (label == last, label != first, place, by_number(label))
        };
        self.runs.sort_by_cached_key(|run| {
            let method = rank(&methods, &run.arm.method, "relu", "reset");
            let schedule = rank(&schedules, &run.arm.schedule, "constant", "");
            (method, schedule, run.seed)
        });
    }
}

/// The columns of `controls.csv` that the report reads.
pub(crate) fn traced_columns(glossary: &Glossary) -> Vec<&str> {
    std::iter::once(EFFECTIVE_STEP).chain(glossary.bounds.iter().map(|bound| bound.column.as_str())).collect()
}

/// A label as what it is sorted by, so that `@epochs=5` stands before `@epochs=10`.
fn by_number(label: &str) -> Vec<(u64, String)> {
    let number = |part: &str| part.parse().ok().filter(|number: &f64| *number >= 0.0).map_or(u64::MAX, f64::to_bits);
    label.split(['@', '=']).map(|part| (number(part), part.to_owned())).collect()
}

/// Labels of the list under `key`, wherever it stands in the configuration.
fn labels(value: &serde_json::Value, key: &str) -> Vec<String> {
    let label = |entry: &serde_json::Value| {
        let named = entry.get("label").or_else(|| entry.get("name")).unwrap_or(entry);
        named.as_str().map(str::to_owned)
    };
    match lookup(value, key).and_then(serde_json::Value::as_array) {
        Some(list) => list.iter().filter_map(label).collect(),
        None => Vec::new(),
    }
}

/// The first value under `key`, at any depth.
pub(crate) fn lookup<'v>(value: &'v serde_json::Value, key: &str) -> Option<&'v serde_json::Value> {
    match value {
        serde_json::Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|v| lookup(v, key))),
        serde_json::Value::Array(list) => list.iter().find_map(|v| lookup(v, key)),
        _ => None,
    }
}

/// The name of a folder, whatever the path to it looks like: that of `results/quick/.` is `quick`.
pub(crate) fn folder_name(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "sweep".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The folders runs/METHOD/SCHEDULE/seed-N, relative to the sweep's.
fn find(folder: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let mut places = vec![PathBuf::from("runs")];
    places.retain(|runs| folder.join(runs).is_dir());
    for _ in ["METHOD", "SCHEDULE", "seed-N"] {
        places = places.iter().map(|place| folders(folder, place)).collect::<Result<Vec<_>, _>>()?.concat();
    }
    places.retain(|place| seed_of(place).is_some());
    Ok(places)
}

fn folders(root: &Path, below: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let path = root.join(below);
    let failed = |source| ResultsError::Io { path: path.clone(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(&path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_dir() {
            found.push(below.join(entry.file_name()));
        }
    }
    found.sort();
    Ok(found)
}

fn seed_of(place: &Path) -> Option<u64> {
    place.file_name()?.to_str()?.strip_prefix("seed-")?.parse().ok()
}

fn load_run(root: &Path, place: &Path) -> Result<RecordedRun, ResultsError> {
    let label = |up: usize| {
        let part = place.ancestors().nth(up).and_then(Path::file_name);
        part.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    let arm = Arm { method: label(2), schedule: label(1) };
    let seed = seed_of(place).unwrap_or_default();
    let (record, damage) = match read_record(&root.join(place)) {
        Ok(record) => (record, None),
        Err(damage) => (None, Some(left_out(damage)?)),
    };
    let series = Series { arm: arm.clone(), seed, columns: Arc::default() };
    Ok(RecordedRun { folder: place.to_owned(), arm, seed, record, damage, series, traces: Vec::new() })
}

/// Whether these are the numbers of tasks from the first, 0, on.
fn follow_each_other(tasks: &[Option<f64>]) -> bool {
    tasks.iter().zip(0..).all(|(task, place)| *task == Some(f64::from(place)))
}

/// Why a run is left out; what cannot be read at all ends the report.
fn left_out(damage: Damage) -> Result<String, ResultsError> {
    match damage {
        Damage::Unreadable { path, source } => Err(ResultsError::Io { path, source }),
        damage => Ok(damage.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_names_a_folder_that_leads_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let quick = folder.path().join("results/quick");
        fs::create_dir_all(&quick).unwrap();
        for path in ["", ".", "./", "../quick", "../quick/.", "../../results/quick"] {
            assert_eq!(folder_name(&quick.join(path)), "quick", "{path:?}");
        }
        assert_eq!(folder_name(&quick.join("..")), "results");
        for path in ["/", "..", ".", "nowhere/..", "nowhere/../.."] {
            let name = folder_name(Path::new(path));
            assert!(!name.is_empty() && name != ".." && !name.contains('/'), "{path:?} is called {name:?}");
        }
    }
}
