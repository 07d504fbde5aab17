//! A sweep as a job of Slurm's: an array over its shards, and a report when all are over.

mod script;
mod size;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::{Deserialize, Serialize};
use trainability_record::atomic::{make_folder, write};
use trainability_record::digest::{Digest, read_json, write_json};

use super::carry_out::Foresight;
use super::error::SweepError;
use super::share::shares;
use crate::data::ImageSet;
use crate::experiment::SlurmOptions;
use crate::run::RunPlan;
use script::Script;
use size::Size;

/// A sweep as it will be handed to Slurm.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    folder: PathBuf,
    /// Runs of all shards together, finished ones included.
    runs: usize,
    shards: usize,
    /// The shards that have work left, as in `--array`.
    array: String,
    tasks: usize,
    hours: Option<f64>,
    sweep: String,
    report: String,
}

/// How a sweep has to be called for a share of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The sweep's name.
    pub(crate) name: &'a str,
    /// The sweep's folder.
    pub(crate) out: &'a Path,
    /// The arguments of `sweep` apart from `--shard`, `--jobs`, `--out` and `--retry-failed`.
    pub(crate) arguments: &'a [String],
    /// Whether runs that failed are done again.
    pub(crate) retry_failed: bool,
}

impl Submission {
    /// The shards that have work left, and the scripts for them.
    ///
    /// # Errors
    /// The folder that the program was called in has gone.
    pub(crate) fn new(
        foresight: &Foresight,
        options: &SlurmOptions,
        set: &ImageSet,
        call: Call,
    ) -> Result<Submission, SweepError> {
        let size = Size::of(options, foresight.cost.as_ref(), foresight.chosen.len());
        let left: HashSet<*const RunPlan> = foresight.left.iter().map(|run| std::ptr::from_ref(*run)).collect();
        let shares = shares(&foresight.chosen, set, size.shards).into_iter().zip(&foresight.chosen);
        let with_work: BTreeSet<usize> =
            shares.filter(|(_, run)| left.contains(&std::ptr::from_ref(**run))).map(|(index, _)| index).collect();
        let indices: Vec<usize> = with_work.into_iter().collect();
        let slurm = |source| SweepError::Unwritable { folder: call.out.to_owned(), source };
        let script = Script {
            name: call.name,
            program: std::env::current_exe().map_err(slurm)?,
            working: std::env::current_dir().map_err(slurm)?,
            out: std::path::absolute(call.out).map_err(slurm)?,
            options,
            size: &size,
        };
        let array = ranges(&indices);
        Ok(Submission {
            folder: call.out.join("slurm"),
            runs: foresight.chosen.len(),
            shards: size.shards,
            tasks: indices.len(),
            hours: size.hours,
            sweep: script.sweep(&array, call.arguments, call.retry_failed),
            report: script.report(),
            array,
        })
    }

    /// Both scripts, one after the other.
    pub(crate) fn scripts(&self) -> String {
        let place = |name: &str| self.folder.join(name).display().to_string();
        format!("==> {} <==\n{}\n==> {} <==\n{}", place(SWEEP_SCRIPT), self.sweep, place(REPORT_SCRIPT), self.report)
    }

    /// Hands the job over, unless an earlier one of this folder is still in the queue, and tells what was done.
    ///
    /// # Errors
    /// There is such a job, the folder cannot be written, or Slurm refuses.
    pub(crate) fn submit(&self) -> Result<String, SweepError> {
        if let Some(job) = Job::of(&self.folder).filter(Job::is_at_work) {
            return Err(SweepError::Slurm(format!("{job}: wait for it, or end it with scancel {}", job.job)));
        }
        make_folder(&self.folder)?;
        for (name, text) in [(SWEEP_SCRIPT, &self.sweep), (REPORT_SCRIPT, &self.report)] {
            write(&self.folder.join(name), text.as_bytes())?;
        }
        let submit = |arguments: &[String], script: &str| -> Result<u64, SweepError> {
            let mut command = Command::new("sbatch");
            command.arg("--parsable").args(arguments).arg(self.folder.join(script));
            let said = answer(&mut command).map_err(|error| SweepError::Slurm(format!("sbatch: {error}")))?;
            // The job's number, and after a semicolon the cluster's name.
            let number = said.trim().split(';').next().unwrap_or_default();
            number
                .parse()
                .map_err(|_| SweepError::Slurm(format!("sbatch said {said:?} in the place of a job's number")))
        };
        let mut record = JobRecord {
            job: submit(&[], SWEEP_SCRIPT)?,
            report: None,
            runs: self.runs,
            shards: self.shards,
            array: self.array.clone(),
        };
        // Known from now on, whatever becomes of the report.
        write_json(&self.folder.join(JOB_FILE), &record)?;
        let job = record.job;
        let report = submit(&[format!("--dependency=afterany:{job}")], REPORT_SCRIPT).map_err(|error| {
            SweepError::Slurm(format!("job {job} was handed over, and its report was not: {error}"))
        })?;
        record.report = Some(report);
        write_json(&self.folder.join(JOB_FILE), &record)?;
        let hours = self.hours.map_or_else(String::new, |hours| format!(" of about {hours:.1} hours each"));
        Ok(format!("job {job} has {} shards{hours}, and job {report} will report when all are over", self.tasks))
    }
}

const SWEEP_SCRIPT: &str = "sweep.sh";
const REPORT_SCRIPT: &str = "report.sh";
const JOB_FILE: &str = "job.json";

/// The content of `slurm/job.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct JobRecord {
    job: u64,
    /// The job that reports, once it was handed over.
    report: Option<u64>,
    runs: usize,
    shards: usize,
    array: String,
}

/// A job, and how many of its tasks are in which of Slurm's states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Job {
    job: u64,
    /// The runs that all shards have together.
    pub(super) runs: usize,
    shards: usize,
    /// Empty where Slurm has forgotten the job, or there is no Slurm.
    states: BTreeMap<String, usize>,
}

impl Job {
    /// The last job that was handed over for a sweep, from the folder `slurm` in the sweep's.
    pub(super) fn of(folder: &Path) -> Option<Job> {
        let record = read_json(&folder.join(JOB_FILE), Digest::Required).ok()?;
        let JobRecord { job, runs, shards, .. } = serde_json::from_value(record).ok()?;
        let mut command = Command::new("squeue");
        command.args(["--noheader", "--array", "--states=all", "--format=%T", "--jobs", &job.to_string()]);
        let mut states = BTreeMap::new();
        for state in answer(&mut command).unwrap_or_default().lines() {
            *states.entry(state.trim().to_owned()).or_default() += 1;
        }
        Some(Job { job, runs, shards, states })
    }

    /// Whether any of its tasks has its work still before it.
    pub(super) fn is_at_work(&self) -> bool {
        self.states.keys().any(|state| !OVER.contains(&state.as_str()))
    }
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let states: Vec<String> = self
            .states
            .iter()
            .map(|(state, count)| format!("{count} {}", state.to_lowercase().replace('_', " ")))
            .collect();
        match states.is_empty() {
            true => write!(f, "Slurm job {}: no longer in the queue", self.job),
            false => write!(f, "Slurm job {}: {} of {} shards", self.job, states.join(", "), self.shards),
        }
    }
}

/// Slurm's states of tasks that are over.
const OVER: [&str; 9] =
    ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE"];

/// What a program says, or in one line why it says nothing.
fn answer(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such program here: call this where jobs are handed over".to_owned(),
        _ => error.to_string(),
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if status.success() {
        return Ok(text(stdout));
    }
    let said = text(stderr);
    Err(said.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("; "))
}

/// Numbers in ascending order as `1-3,7`.
fn ranges(numbers: &[usize]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let shown =
        |&(first, last): &(usize, usize)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    spans.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_a_range() {
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1-3,7,9-10");
        assert_eq!(ranges(&[4]), "4");
        assert_eq!(ranges(&[]), "");
    }
}
