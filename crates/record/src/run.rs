//! `run.json`: where a run stands, its options, and the checksums of what it wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{WriteError, make_folder};
use crate::digest::{Damage, Digest, checksum, read_json, write_json};
use crate::recorder::CSV_FILES;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Under way, or interrupted: its checkpoint says how far it came.
    #[default]
    Running,
    /// Every task was trained; the CSV files are complete.
    Finished,
    /// The loss or a weight became infinite or not a number; the CSV files end there.
    Diverged,
    /// Stopped by an error, which the record holds.
    Failed,
}

/// How often a schedule acted on one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerEvents {
    /// The layer's name, such as `fc1`.
    pub layer: String,
    /// Control events that lowered the layer's learning rate.
    pub cooled: u64,
    /// Control events that raised it.
    pub warmed: u64,
    /// Control events that left it alone.
    pub held: u64,
    /// The part of `held` in which the bound was undefined, so that nothing could be decided.
    pub undefined: u64,
}

/// The content of `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Where the run stands.
    pub status: Status,
    /// SHA-256 over the run's canonical options: equal hashes mean equal bytes in the CSV files.
    pub configuration_hash: String,
    /// The method's label, which is also its folder.
    pub method: String,
    /// The schedule's label, which is also its folder.
    pub schedule: String,
    /// The seed of images, labels, order and initialisation.
    pub seed: u64,
    /// Every option of the run with the value that was used, defaults included.
    pub options: serde_json::Value,
    /// Updates made.
    pub updates: u64,
    /// Tasks completed.
    pub tasks: usize,
    /// Wall-clock seconds by part of the work, and `total`.
    pub seconds: BTreeMap<String, f64>,
    /// What the schedule did, layer by layer; empty where the schedule takes no decisions.
    pub events: Vec<LayerEvents>,
    /// Whether the schedule takes decisions at all (`constant` and plain decays do not).
    pub scheduled: bool,
    /// Measured layers whose largest eigenvalue was flat (below 1e-10 in magnitude).
    #[serde(default)]
    pub flat_curvature_events: u64,
    /// Measured layers whose Lanczos iteration ran out of products.
    #[serde(default)]
    pub unconverged_curvature_events: u64,
    /// The first task (counted from 0) at which the run diverged.
    pub diverged_at_task: Option<usize>,
    /// Why the run failed or diverged, in a sentence.
    pub error: Option<String>,
    /// Whether the failure lies in the program, so that the same run would fail again, and not in the disk or memory.
    #[serde(default)]
    pub fault: bool,
    /// Cross-entropy of the last minibatch that had a finite one.
    #[serde(default)]
    pub last_finite_loss: Option<f64>,
    /// Whether some of its updates were made in a crew in lock step, which may round otherwise than the run by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lockstep: bool,
    /// How often the run went on from a checkpoint.
    #[serde(default)]
    pub resumptions: u64,
    /// SHA-256 of each finished CSV file, by name.
    pub checksums: BTreeMap<String, String>,
}

impl RunRecord {
    /// The record of a run that has begun and made no update yet.
    pub fn begun(
        configuration_hash: &str,
        method: &str,
        schedule: &str,
        seed: u64,
        options: serde_json::Value,
    ) -> RunRecord {
        RunRecord {
            configuration_hash: configuration_hash.to_owned(),
            method: method.to_owned(),
            schedule: schedule.to_owned(),
            seed,
            options,
            ..RunRecord::default()
        }
    }

    /// Whether a schedule that takes decisions never took one, which makes the run identical to its control.
    pub fn never_fired(&self) -> bool {
        self.scheduled && self.events.iter().all(|layer| layer.cooled == 0 && layer.warmed == 0)
    }

    /// Writes the record into the run's folder, which is made if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path) -> Result<(), WriteError> {
        make_folder(folder)?;
        write_json(&folder.join(RECORD_FILE), self)
    }

    /// Looks for the CSV files of a run that is over, and compares them with their checksums.
    ///
    /// # Errors
    /// The first that is missing, cannot be read, or is not what the run wrote.
    pub fn verify(&self, folder: &Path) -> Result<(), Damage> {
        CSV_FILES.iter().try_for_each(|name| self.read_verified(folder, name).map(drop))
    }

    /// The bytes of one of these files, compared with their checksum.
    ///
    /// # Errors
    /// It is missing, cannot be read, or is not what the run wrote.
    pub fn read_verified(&self, folder: &Path, name: &str) -> Result<Vec<u8>, Damage> {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(|error| Damage::of_reading(&path, error))?;
        if self.checksums.get(name).is_some_and(|expected| *expected != checksum(&bytes)) {
            return Err(Damage::changed(&path, "its SHA-256 is not the one in run.json"));
        }
        Ok(bytes)
    }
}

/// The name of the record in its run's folder.
pub const RECORD_FILE: &str = "run.json";

/// The record in a run's folder, if there is one.
///
/// # Errors
/// It is there but cannot be read, or is damaged.
pub fn read_record(folder: &Path) -> Result<Option<RunRecord>, Damage> {
    let path = folder.join(RECORD_FILE);
    match read_json(&path, Digest::Required) {
        Ok(value) => serde_json::from_value(value).map(Some).map_err(|error| Damage::changed(&path, error)),
        Err(Damage::Missing(_)) => Ok(None),
        Err(damage) => Err(damage),
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
