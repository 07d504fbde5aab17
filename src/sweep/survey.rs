//! How far a sweep is, from its files alone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;
use trainability_record::RunRecord;
use trainability_record::digest::{Damage, Digest, read_json};
use trainability_record::partial::whole_rows;
use trainability_record::run::{Status, run_folders};
use trainability_record::tasks::read_tasks;

use super::error::SweepError;
use super::run_state::RunState;

/// The state of a sweep's runs.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Runs that the sweep has.
    pub planned: usize,
    /// Runs that were begun, by status.
    pub counts: BTreeMap<&'static str, usize>,
    /// Names of the runs that failed or diverged or are damaged, with the reason.
    pub failed: Vec<(String, String)>,
    /// Names of the runs that are under way or were interrupted, with how far they have come.
    pub unfinished: Vec<(String, String)>,
    /// Seconds that the rest will take at the pace of the finished runs; unknown before one has finished.
    pub seconds_left: Option<f64>,
}

/// Looks through a sweep's folder.
///
/// # Errors
/// There is no sweep in the folder, or its `sweep.json` is damaged.
pub(crate) fn survey(results: &Path) -> Result<Survey, SweepError> {
    let path = results.join("sweep.json");
    let sweep = match read_json(&path, Digest::Optional) {
        Ok(sweep) => sweep,
        Err(damage @ Damage::Changed { .. }) => return Err(SweepError::Changed(damage)),
        Err(source) => return Err(SweepError::NoSweep { folder: results.to_owned(), source }),
    };
    let count = |key: &str| sweep.get(key).and_then(Value::as_u64).map(|count| count as usize);
    let (planned, jobs) = (count("runs").unwrap_or(0), count("jobs").unwrap_or(1));
    let mut counts = BTreeMap::new();
    let (mut failed, mut unfinished, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let folders = run_folders(results);
    let looked_at: Vec<_> = folders.par_iter().map(|folder| RunState::of(folder)).collect();
    for (folder, state) in folders.iter().zip(looked_at) {
        let name = || folder.strip_prefix(results.join("runs")).unwrap_or(folder).display().to_string();
        let (status, reason) = match state {
            Ok(RunState::Damaged { damage, .. }) | Err(damage) => ("damaged", Some(damage.to_string())),
            // A folder in which nothing has been written yet.
            Ok(RunState::Open(None)) => continue,
            Ok(
                RunState::Open(Some(record))
                | RunState::Stopped(record)
                | RunState::Finished(record)
                | RunState::Failed(record),
            ) => {
                let status = match record.status {
                    Status::Running => "running or interrupted",
                    Status::Finished => "finished",
                    Status::Diverged => "diverged",
                    Status::Failed => "failed",
                };
                let reason = record.error.clone();
                if record.status == Status::Running {
                    unfinished.push((name(), so_far(folder, &record)));
                }
                records.push(record);
                (status, reason)
            }
        };
        *counts.entry(status).or_default() += 1;
        failed.extend(reason.map(|reason| (name(), reason)));
    }
    let finished: Vec<f64> = records
        .iter()
        .filter(|record| record.status == Status::Finished)
        .filter_map(|record| record.seconds.get("total").copied())
        .collect();
    let over = records.iter().filter(|record| record.status != Status::Running).count();
    let mean = finished.iter().sum::<f64>() / finished.len() as f64;
    let seconds_left = mean.is_finite().then(|| mean * planned.saturating_sub(over) as f64 / jobs.max(1) as f64);
    Ok(Survey { planned, counts, failed, unfinished, seconds_left })
}

/// How far a run has come: what its rows say, which are ahead of its record.
fn so_far(folder: &Path, record: &RunRecord) -> String {
    let path = folder.join("tasks.csv.partial");
    let rows = match whole_rows(folder, "tasks.csv") {
        Ok(rows) if rows.is_empty() => Ok(BTreeMap::new()),
        Ok(rows) => read_tasks(&path, &rows[..]).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    };
    let columns = match rows {
        Ok(columns) => columns,
        Err(reason) => return reason,
    };
    let accuracies = columns.get("online_accuracy").map_or(&[][..], Vec::as_slice);
    let planned = record.options.pointer("/stream/tasks").and_then(Value::as_u64);
    let of = planned.map_or_else(String::new, |planned| format!(" of {planned}"));
    let last = accuracies.last().copied().flatten();
    let last = last.map_or_else(String::new, |accuracy| format!(", accuracy of the last {accuracy:.3}"));
    format!("{}{of} tasks done{last}", accuracies.len())
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let begun: usize = self.counts.values().sum();
        write!(f, "{} runs: ", self.planned)?;
        for (name, count) in &self.counts {
            write!(f, "{count} {name}, ")?;
        }
        write!(f, "{} not begun", self.planned.saturating_sub(begun))?;
        match self.seconds_left {
            Some(seconds) if seconds > 0.0 => write!(f, "; about {:.0} minutes left", (seconds / 60.0).ceil())?,
            _ => {}
        }
        self.unfinished.iter().chain(&self.failed).try_for_each(|(name, told)| write!(f, "\n{name}: {told}"))
    }
}
