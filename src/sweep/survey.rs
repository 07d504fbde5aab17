//! How far a sweep is, from its files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use trainability_record::digest::{Damage, Digest, read_json};
use trainability_record::partial::whole_rows;
use trainability_record::run::{Status, run_folders};
use trainability_record::tasks::read_tasks;
use trainability_record::{RunRecord, read_record};

use super::error::SweepError;
use super::lease::{SeenWorker, workers};
use super::run_state::RunState;
use super::slurm::Job;

/// The state of a sweep's runs.
#[derive(Debug, Serialize)]
pub(crate) struct Survey {
    /// Runs that the sweep has.
    pub planned: usize,
    /// Runs that were begun, by state: `finished`, `running`, `interrupted`, `diverged`, `failed`, `damaged`.
    pub counts: BTreeMap<&'static str, usize>,
    /// Runs of which there is nothing yet.
    pub not_begun: usize,
    /// Runs that the processes at work were asked for, which may be a part of the sweep, and that are not over; unknown while
    /// nobody is at work.
    pub asked_for: Option<usize>,
    /// Seconds that these will take at the pace of the finished runs, with as many at a time as now; unknown before one has
    /// finished, and while nobody is at work.
    pub seconds_left: Option<f64>,
    /// The processes that are at work, or died at it.
    pub workers: Vec<SeenWorker>,
    /// The sweep's job in Slurm's queue, if it has one.
    pub slurm: Option<Job>,
    /// The runs that are under way or were interrupted.
    pub unfinished: Vec<Unfinished>,
    /// The runs that failed or diverged or are damaged.
    pub failed: Vec<NotFinished>,
    /// Finished runs whose files were not compared with their checksums, since there are so many.
    pub not_compared: usize,
}

/// A run that is under way or was interrupted.
#[derive(Debug, Serialize)]
pub(crate) struct Unfinished {
    run: String,
    /// `running` or `interrupted`.
    state: &'static str,
    tasks: usize,
    tasks_planned: Option<u64>,
    last_accuracy: Option<f64>,
    /// Why its rows cannot be read.
    damage: Option<String>,
}

/// A run that failed or diverged or is damaged.
#[derive(Debug, Serialize)]
pub(crate) struct NotFinished {
    run: String,
    /// `failed`, `diverged` or `damaged`.
    state: &'static str,
    reason: String,
}

/// How long files are compared with their checksums, unless all have to be.
const MOST_COMPARING: Duration = Duration::from_secs(1);

/// Looks through a sweep's folder; `compare_all` takes as long as reading all of it.
///
/// # Errors
/// There is no sweep in the folder, or its `sweep.json` is damaged.
pub(crate) fn survey(results: &Path, compare_all: bool) -> Result<Survey, SweepError> {
    let path = results.join("sweep.json");
    let slurm = Job::of(&results.join("slurm"));
    let planned = match (read_json(&path, Digest::Optional), &slurm) {
        (Ok(sweep), _) => sweep.get("runs").and_then(Value::as_u64).unwrap_or(0) as usize,
        // No shard has begun.
        (Err(Damage::Missing(_)), Some(job)) => job.runs,
        (Err(damage @ Damage::Changed { .. }), _) => return Err(SweepError::Changed(damage)),
        (Err(source), _) => return Err(SweepError::NoSweep { folder: results.to_owned(), source }),
    };
    let workers = workers(results);
    let alive = || workers.iter().filter(|seen| seen.is_alive);
    let under_way: BTreeSet<&String> = alive().flat_map(|seen| &seen.worker.runs).collect();
    let folders = run_folders(results);
    let begin = Instant::now();
    let looked_at: Vec<_> =
        folders.par_iter().map(|folder| state_of(folder, compare_all || begin.elapsed() < MOST_COMPARING)).collect();
    let not_compared = looked_at.iter().filter(|(_, compared)| !compared).count();

    let (mut counts, mut failed, mut unfinished) = (BTreeMap::new(), Vec::new(), Vec::new());
    let (mut begun, mut over, mut seconds) = (0, 0, Vec::new());
    for (folder, (state, _)) in folders.iter().zip(looked_at) {
        let run = folder.strip_prefix(results.join("runs")).unwrap_or(folder).display().to_string();
        let (state, reason) = match state {
            Ok(RunState::Damaged { damage, .. }) | Err(damage) => ("damaged", Some(damage.to_string())),
            // A folder in which nothing has been written yet.
            Ok(RunState::Open(None)) => continue,
            Ok(
                RunState::Open(Some(record))
                | RunState::Stopped(record)
                | RunState::Finished(record)
                | RunState::Failed(record),
            ) => {
                over += usize::from(record.status != Status::Running);
                let state = match record.status {
                    Status::Running if under_way.contains(&run) => "running",
                    Status::Running => "interrupted",
                    Status::Finished => "finished",
                    Status::Diverged => "diverged",
                    Status::Failed => "failed",
                };
                match record.status {
                    Status::Running => unfinished.push(so_far(folder, run.clone(), state, &record)),
                    Status::Finished => seconds.extend(record.seconds.get("total")),
                    Status::Diverged | Status::Failed => {}
                }
                (state, record.error)
            }
        };
        begun += 1;
        *counts.entry(state).or_default() += 1;
        failed.extend(reason.map(|reason| NotFinished { run, state, reason }));
    }
    let jobs = alive().map(|seen| seen.worker.jobs as f64).sum::<f64>();
    let left = planned.saturating_sub(over);
    let own = || alive().map(|seen| seen.worker.left).sum::<Option<usize>>();
    let asked_for = (jobs > 0.0).then(|| own().unwrap_or(left).min(left));
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    let seconds_left = asked_for.map(|asked_for| mean * asked_for as f64 / jobs).filter(|seconds| seconds.is_finite());
    let not_begun = planned.saturating_sub(begun);
    Ok(Survey { planned, counts, not_begun, asked_for, seconds_left, workers, slurm, unfinished, failed, not_compared })
}

/// What the folder of a run says, and whether the rows of a finished run were compared with their checksums: thousands of
/// them would take long.
fn state_of(folder: &Path, compare: bool) -> (Result<RunState, Damage>, bool) {
    match read_record(folder) {
        Ok(Some(record)) if record.status == Status::Finished && !compare => (Ok(RunState::Finished(record)), false),
        _ => (RunState::of(folder), true),
    }
}

/// How far a run has come: what its rows say, which are ahead of its record.
fn so_far(folder: &Path, run: String, state: &'static str, record: &RunRecord) -> Unfinished {
    let path = folder.join("tasks.csv.partial");
    let rows = match whole_rows(folder, "tasks.csv") {
        Ok(rows) if rows.is_empty() => Ok(BTreeMap::new()),
        Ok(rows) => read_tasks(&path, &rows[..]).map_err(|error| error.to_string()),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    };
    let (columns, damage) = rows.map_or_else(|reason| (BTreeMap::new(), Some(reason)), |columns| (columns, None));
    let accuracies = columns.get("online_accuracy").map_or(&[][..], Vec::as_slice);
    Unfinished {
        run,
        state,
        tasks: accuracies.len(),
        tasks_planned: record.options.pointer("/stream/tasks").and_then(Value::as_u64),
        last_accuracy: accuracies.last().copied().flatten(),
        damage,
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if let Some(damage) = &self.damage {
            return write!(f, "{}: {damage}", self.run);
        }
        let of = self.tasks_planned.map_or_else(String::new, |planned| format!(" of {planned}"));
        let last = self.last_accuracy.map_or_else(String::new, |last| format!(", accuracy of the last {last:.3}"));
        write!(f, "{} ({}): {}{of} tasks done{last}", self.run, self.state, self.tasks)
    }
}

impl fmt::Display for NotFinished {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ({}): {}", self.run, self.state, self.reason)
    }
}

impl fmt::Display for SeenWorker {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let last = HumanDuration(Duration::from_secs(self.seconds_silent));
        match self.is_alive {
            true => write!(f, "{}: at work, last sign of life {last} ago", self.worker.told()),
            false => write!(f, "{}: dead, last sign of life {last} ago", self.worker.told()),
        }
    }
}

/// Entries of a list that are shown.
const MOST_SHOWN: usize = 20;

/// The first entries, a line each, and how many more of each state there are.
fn write_list<T: fmt::Display>(f: &mut fmt::Formatter, list: &[T], state: impl Fn(&T) -> &'static str) -> fmt::Result {
    let (shown, others) = list.split_at(list.len().min(MOST_SHOWN));
    shown.iter().try_for_each(|entry| write!(f, "\n{entry}"))?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    others.iter().for_each(|entry| *counts.entry(state(entry)).or_default() += 1);
    counts.iter().try_for_each(|(state, count)| write!(f, "\nand {} more {state}", HumanCount(*count)))
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} runs: ", self.planned)?;
        for (name, count) in &self.counts {
            write!(f, "{count} {name}, ")?;
        }
        write!(f, "{} not begun", self.not_begun)?;
        let left =
            self.not_begun + self.counts.get("interrupted").unwrap_or(&0) + self.counts.get("running").unwrap_or(&0);
        match self.asked_for {
            Some(asked_for) if asked_for < left => write!(f, "; {asked_for} of them to be trained now")?,
            _ => {}
        }
        match self.seconds_left {
            _ if left == 0 => {}
            Some(seconds) => {
                let left = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
                write!(f, "; about {} left", HumanDuration(left))?;
            }
            None if self.workers.iter().any(|seen| seen.is_alive) => {}
            None if self.slurm.as_ref().is_some_and(Job::is_at_work) => {}
            None => write!(f, "; nobody is at work")?,
        }
        self.slurm.iter().try_for_each(|job| write!(f, "\n{job}"))?;
        write_list(f, &self.workers, |seen| if seen.is_alive { "at work" } else { "dead" })?;
        write_list(f, &self.unfinished, |run| run.state)?;
        write_list(f, &self.failed, |run| run.state)?;
        match self.not_compared {
            0 => Ok(()),
            count => write!(f, "\n{count} finished runs were not compared with their checksums, which --verify does"),
        }
    }
}
