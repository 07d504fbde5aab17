//! The folder of a sweep: where each run lives, what is there already, and whose it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use trainability_record::read_record;

use super::error::SweepError;
use super::lease::{Lease, PACE, Unleased, Worker};
use super::listener::Listener;
use super::shard::Shard;
use crate::experiment::Plan;
use crate::run::RunPlan;

/// A sweep's folder, of which a share is this process's as long as this lives.
#[derive(Debug)]
pub(super) struct SweepFolder {
    path: PathBuf,
    shard: Shard,
    lease: Lease,
}

impl SweepFolder {
    /// Opens or makes the folder and claims a share of these runs in it.
    ///
    /// # Errors
    /// It cannot be written, or another process is at work on the share.
    pub(super) fn open(
        path: &Path,
        shard: Shard,
        runs: &[&RunPlan],
        jobs: usize,
        listener: &dyn Listener,
    ) -> Result<SweepFolder, SweepError> {
        let folder = path.to_owned();
        let waiting = |sentence: &str| listener.noticed(sentence);
        match Lease::take(path, Worker::this(shard, digest_of(runs), jobs), PACE, &waiting) {
            Ok(lease) => Ok(SweepFolder { path: folder, shard, lease }),
            Err(Unleased::Held(by)) => Err(SweepError::InUse { folder, by }),
            Err(Unleased::Unwritable(source)) => Err(SweepError::Unwritable { folder, source }),
        }
    }

    /// The claim on the share.
    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// A folder for what comes in from elsewhere, which no other process uses.
    pub(super) fn incoming(&self) -> PathBuf {
        self.path.join(format!("incoming-{}", self.shard.file_stem()))
    }

    /// The folder of a run.
    pub(super) fn run(&self, run: &RunPlan) -> PathBuf {
        self.path.join("runs").join(run.name())
    }

    /// The folder of a run's event file.
    pub(super) fn events(&self, run: &RunPlan) -> PathBuf {
        self.path.join("tensorboard").join(run.name())
    }

    /// Moves what a run left out of its way, to replaced/METHOD/SCHEDULE/seed-N.K, and tells where that is.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn set_aside(&self, run: &RunPlan) -> Result<PathBuf, SweepError> {
        let place = |count: usize| self.path.join("replaced").join(format!("{}.{count}", run.name()));
        let mut count = 1;
        while place(count).exists() {
            count += 1;
        }
        let (from, to) = (self.run(run), place(count));
        match fs::create_dir_all(to.parent().unwrap_or(&to)).and_then(|()| fs::rename(&from, &to)) {
            Ok(()) => Ok(to),
            Err(source) => Err(SweepError::Move { from, to, source }),
        }
    }
}

/// Makes sure that what is in a sweep's folder already was made with the plan's options, in every arm that the plan names
/// and for every seed: an arm of two kinds of runs would be no arm.
///
/// # Errors
/// A run is there that was made with other options: nothing is overwritten.
pub(super) fn check_options(results: &Path, plan: &Plan) -> Result<(), SweepError> {
    let mut arms: BTreeMap<Option<PathBuf>, Vec<&RunPlan>> = BTreeMap::new();
    for run in &plan.runs {
        let arm = results.join("runs").join(run.name()).parent().map(Path::to_owned);
        arms.entry(arm).or_default().push(run);
    }
    for (arm, runs) in arms {
        let entries = arm.as_deref().and_then(|arm| fs::read_dir(arm).ok()).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.sort();
        for folder in folders {
            // What is damaged says nothing of its options, and is not kept anyway.
            let Ok(Some(record)) = read_record(&folder) else { continue };
            let own = runs.iter().find(|run| run.seed == record.seed);
            let Some(run) = own.or(runs.first()) else { continue };
            let [old, new] = [&record.options, &run.options].map(|options| of_the_arm(options, own.is_none()));
            let mut differences = differences(&old, &new, "");
            if own.is_some() && record.configuration_hash != run.hash && differences.is_empty() {
                differences.push("its hash is of other options than it lists".to_owned());
            }
            if !differences.is_empty() {
                return Err(SweepError::OtherOptions { run: folder, differences: differences.join(", ") });
            }
        }
    }
    Ok(())
}

/// What tells these runs from any others.
fn digest_of(runs: &[&RunPlan]) -> String {
    let mut digest = Sha256::new();
    for run in runs {
        digest.update(format!("{} {}\n", run.name(), run.hash));
    }
    hex::encode(digest.finalize())
}

/// The options that all seeds of an arm share. Each seed's replayed rates are a file of its own, so that their digest tells
/// nothing of another seed's.
fn of_the_arm(options: &Value, of_another_seed: bool) -> Value {
    let mut options = options.clone();
    if let Some(object) = options.as_object_mut() {
        object.shift_remove("seed");
    }
    if let Some(schedule) = options.get_mut("schedule").and_then(Value::as_object_mut).filter(|_| of_another_seed) {
        schedule.shift_remove("sha256");
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
