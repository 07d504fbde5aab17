//! What is there of a run, and whether it is whole.

use std::path::{Path, PathBuf};

use trainability_record::run::RECORD_FILE;
use trainability_record::{CSV_FILES, Damage, RunRecord, Status, read_record};

use crate::train::checkpoint;

/// Where a run stands before a sweep goes to work.
#[derive(Debug)]
pub enum Standing {
    /// Not begun, which leaves no record, or interrupted: it begins, or goes on from its checkpoint.
    Open(Option<RunRecord>),
    /// Stopped by the disk or the memory: it goes on, and may find them better.
    Stopped(RunRecord),
    /// Complete, and its files are what it wrote.
    Finished(RunRecord),
    /// Diverged, or stopped by a fault in the program: done again it would end the same way.
    Failed(RunRecord),
    /// A file is not what was written, or has gone.
    Damaged {
        /// Which, and how that shows.
        damage: Damage,
        /// Whether there is a checkpoint from which the run can go on.
        checkpointed: bool,
    },
}

impl Standing {
    /// Looks at the folder of a run.
    ///
    /// # Errors
    /// A file that is there cannot be read: whether it is whole is not known.
    pub fn of(folder: &Path) -> Result<Standing, Damage> {
        let checkpointed = checkpoint_path(folder).exists();
        let record = match read_record(folder) {
            Ok(Some(record)) => record,
            Ok(None) if checkpointed || CSV_FILES.iter().any(|name| folder.join(name).exists()) => {
                return Ok(Standing::Damaged { damage: Damage::Missing(folder.join(RECORD_FILE)), checkpointed });
            }
            Ok(None) => return Ok(Standing::Open(None)),
            Err(damage @ Damage::Unreadable { .. }) => return Err(damage),
            Err(damage) => return Ok(Standing::Damaged { damage, checkpointed }),
        };
        match record.status {
            // The record of a run is written anew with each of its checkpoints.
            Status::Running if record.updates > 0 && !checkpointed => {
                Ok(Standing::Damaged { damage: Damage::Missing(checkpoint_path(folder)), checkpointed })
            }
            Status::Running => Ok(Standing::Open(Some(record))),
            Status::Failed if record.fault => Ok(Standing::Failed(record)),
            Status::Failed => Ok(Standing::Stopped(record)),
            Status::Finished | Status::Diverged => match record.verify(folder) {
                Ok(()) if record.status == Status::Finished => Ok(Standing::Finished(record)),
                Ok(()) => Ok(Standing::Failed(record)),
                Err(damage @ Damage::Unreadable { .. }) => Err(damage),
                Err(damage) => Ok(Standing::Damaged { damage, checkpointed: false }),
            },
        }
    }
}

/// What a sweep does with a run.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, without a word: it was not asked for.
    Pass,
    /// Nothing: it is finished.
    Skip,
    /// Nothing, and lists it as not finished, with the reason.
    List(String),
    /// The same with a run that would fail again, for the reason of the first time.
    LeaveFailed(String),
    /// Begins it, or goes on from its checkpoint, in spite of some damage.
    GoOn(Option<String>),
    /// Begins it anew, since what is there is of no use, for this reason.
    Anew(String),
}

impl Standing {
    /// What follows from the standing in a call that does everything that is left, or only what failed before.
    pub fn step(self, retry_failed: bool) -> Step {
        let reason = |record: RunRecord| record.error.unwrap_or_default();
        match (self, retry_failed) {
            (Standing::Finished(_), _) => Step::Skip,
            (Standing::Open(_), true) => Step::Pass,
            (Standing::Open(_) | Standing::Stopped(_), false) => Step::GoOn(None),
            (Standing::Stopped(record) | Standing::Failed(record), true) => Step::Anew(reason(record)),
            (Standing::Failed(record), false) => Step::LeaveFailed(reason(record)),
            (Standing::Damaged { damage, .. }, true) => Step::List(damage.to_string()),
            (Standing::Damaged { damage, checkpointed: true }, false) => Step::GoOn(Some(damage.to_string())),
            (Standing::Damaged { damage, checkpointed: false }, false) => Step::Anew(damage.to_string()),
        }
    }
}

/// The checkpoint in a run's folder.
pub fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint").join(checkpoint::FILE)
}
