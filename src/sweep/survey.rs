//! How far a sweep is, from its files alone.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::folder::read_record;
use crate::train::{RunRecord, Status};

/// The standing of a sweep's runs.
#[derive(Debug)]
pub struct Survey {
    /// Runs that the sweep has.
    pub planned: usize,
    /// Runs that were begun, by status.
    pub counts: BTreeMap<&'static str, usize>,
    /// Names of the runs that failed or diverged, with the reason.
    pub failed: Vec<(String, String)>,
    /// Seconds that the rest will take at the pace of the finished runs; unknown before one has finished.
    pub seconds_left: Option<f64>,
}

/// Looks through a sweep's folder.
///
/// # Errors
/// There is no sweep in the folder, or a file in it is damaged.
pub fn survey(results: &Path) -> Result<Survey> {
    let path = results.join("sweep.json");
    let text = fs::read_to_string(&path).with_context(|| {
        format!("{} is no folder that `trainability sweep` wrote: cannot read {}", results.display(), path.display())
    })?;
    let sweep: Value = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let count = |key: &str| sweep.get(key).and_then(Value::as_u64).map(|count| count as usize);
    let (planned, jobs) = (count("runs").unwrap_or(0), count("jobs").unwrap_or(1));
    let mut records = Vec::new();
    find_records(&results.join("runs"), 3, &mut records)?;
    let mut counts = BTreeMap::new();
    let mut failed = Vec::new();
    for record in &records {
        let name = match record.status {
            Status::Running => "running or interrupted",
            Status::Finished => "finished",
            Status::Diverged => "diverged",
            Status::Failed => "failed",
        };
        *counts.entry(name).or_default() += 1;
        if let Some(error) = &record.error {
            failed.push((format!("{}/{}/seed-{}", record.method, record.schedule, record.seed), error.clone()));
        }
    }
    let finished: Vec<f64> = records
        .iter()
        .filter(|record| record.status == Status::Finished)
        .filter_map(|record| record.seconds.get("total").copied())
        .collect();
    let over = records.iter().filter(|record| record.status != Status::Running).count();
    let mean = finished.iter().sum::<f64>() / finished.len() as f64;
    let seconds_left = mean.is_finite().then(|| mean * planned.saturating_sub(over) as f64 / jobs.max(1) as f64);
    Ok(Survey { planned, counts, failed, seconds_left })
}

/// The records in all folders `depth` levels below.
fn find_records(folder: &Path, depth: usize, records: &mut Vec<RunRecord>) -> Result<()> {
    if depth == 0 {
        records.extend(read_record(folder)?);
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.iter().try_for_each(|folder| find_records(folder, depth - 1, records))
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
        for (name, error) in &self.failed {
            write!(f, "\n{name}: {error}")?;
        }
        Ok(())
    }
}
