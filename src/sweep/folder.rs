//! The folder of a sweep: where each run lives, what is there already, and the lock.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

use crate::experiment::{Plan, RunPlan};
use crate::train::read_record;
use crate::train::sealed::write_json;

/// A sweep's folder, locked for this process as long as this lives.
#[derive(Debug)]
pub struct SweepFolder {
    path: PathBuf,
    _lock: File,
}

impl SweepFolder {
    /// Opens or makes the folder and locks it.
    ///
    /// # Errors
    /// It cannot be written, or another process is at work in it.
    pub fn open(path: &Path) -> Result<SweepFolder> {
        let denied = || format!("cannot write to the results folder {}, choose another --out", path.display());
        fs::create_dir_all(path).with_context(denied)?;
        let lock = File::create(path.join(".lock")).with_context(denied)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another sweep is at work in {}: wait for it, or choose another --out", path.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock the results folder {}", path.display()));
            }
        }
        Ok(SweepFolder { path: path.to_owned(), _lock: lock })
    }

    /// The folder of a run.
    pub fn run(&self, run: &RunPlan) -> PathBuf {
        self.path.join("runs").join(run.name())
    }

    /// The folder of the sweep.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves what a run left out of its way, to replaced/METHOD/SCHEDULE/seed-N.K, and tells where that is.
    ///
    /// # Errors
    /// What the file system says.
    pub fn set_aside(&self, run: &RunPlan) -> Result<PathBuf> {
        let place = |count: usize| self.path.join("replaced").join(format!("{}.{count}", run.name()));
        let free = (1..).map(place).find(|path| !path.exists()).context("every number is taken")?;
        let folder = self.run(run);
        let moved = fs::create_dir_all(free.parent().unwrap_or(&free)).and_then(|()| fs::rename(&folder, &free));
        moved.with_context(|| format!("cannot move {} to {}", folder.display(), free.display()))?;
        Ok(free)
    }

    /// Makes sure that what is there already was made with the plan's options, in every arm that the plan names and
    /// for every seed: an arm of two kinds of runs would be no arm.
    ///
    /// # Errors
    /// A run is there that was made with other options: nothing is overwritten.
    pub fn check(&self, plan: &Plan) -> Result<()> {
        let mut arms = BTreeMap::new();
        for run in &plan.runs {
            arms.entry(self.run(run).parent().map(Path::to_owned)).or_insert(run);
        }
        for (arm, run) in arms {
            let entries = arm.as_deref().and_then(|arm| fs::read_dir(arm).ok()).into_iter().flatten().flatten();
            let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            folders.sort();
            for folder in folders {
                // What is damaged says nothing of its options, and is not kept anyway.
                let Ok(Some(record)) = read_record(&folder) else { continue };
                let mut differences = differences(&without_seed(&record.options), &without_seed(&run.options), "");
                if record.seed == run.seed && record.configuration_hash != run.hash && differences.is_empty() {
                    differences.push("its hash is of other options than it lists".to_owned());
                }
                if !differences.is_empty() {
                    bail!(
                        "{} holds results of other options ({}): choose another --out, or --fork NEW_NAME to keep what \
                         still fits in a new folder",
                        folder.display(),
                        differences.join(", ")
                    );
                }
            }
        }
        Ok(())
    }

    /// Writes a file of the sweep as JSON, atomically.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        write_json(&self.path.join(name), value)
    }
}

/// The folders runs/METHOD/SCHEDULE/seed-N of a sweep, in alphabetical order.
pub fn run_folders(results: &Path) -> Vec<PathBuf> {
    let below = |folder: &PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let arms = below(&results.join("runs")).iter().flat_map(below).collect::<Vec<_>>();
    let is_run = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"));
    arms.iter().flat_map(below).filter(is_run).collect()
}

fn without_seed(options: &Value) -> Value {
    let mut options = options.clone();
    if let Some(object) = options.as_object_mut() {
        object.shift_remove("seed");
    }
    options
}

/// Key paths at which two JSON values differ, with both values.
fn differences(old: &Value, new: &Value, path: &str) -> Vec<String> {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            keys.flat_map(|key| {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                differences(before.get(key).unwrap_or(&Value::Null), after.get(key).unwrap_or(&Value::Null), &path)
            })
            .collect()
        }
        _ if old == new => Vec::new(),
        _ => vec![format!("{path} was {old} and is {new}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_path() {
        let old = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        let new = json!({ "a": { "b": 1, "c": 3 }, "e": true });
        let found = differences(&old, &new, "");
        assert_eq!(found, ["a.c was 2 and is 3", "d was [1] and is null", "e was null and is true"]);
    }
}
