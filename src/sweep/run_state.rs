//! What a run's folder says of the run: how far it came, and whether its files are whole.

use std::path::{Path, PathBuf};

use trainability_record::run::RECORD_FILE;
use trainability_record::{CSV_FILES, Damage, RunRecord, Status, read_record};

use crate::run::checkpoint;

/// What a run's folder says before a sweep goes to work.
#[derive(Debug)]
pub(super) enum RunState {
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

impl RunState {
    /// Looks at the folder of a run.
    ///
    /// # Errors
    /// A file that is there cannot be read: whether it is whole is not known.
    pub(super) fn of(folder: &Path) -> Result<RunState, Damage> {
        let checkpointed = checkpoint_path(folder).exists();
        let record = match read_record(folder) {
            Ok(Some(record)) => record,
            Ok(None) if checkpointed || CSV_FILES.iter().any(|name| folder.join(name).exists()) => {
                return Ok(RunState::Damaged { damage: Damage::Missing(folder.join(RECORD_FILE)), checkpointed });
            }
            Ok(None) => return Ok(RunState::Open(None)),
            Err(damage @ Damage::Unreadable { .. }) => return Err(damage),
            Err(damage) => return Ok(RunState::Damaged { damage, checkpointed }),
        };
        match record.status {
            // The record of a run is written anew with each of its checkpoints.
            Status::Running if record.updates > 0 && !checkpointed => {
                Ok(RunState::Damaged { damage: Damage::Missing(checkpoint_path(folder)), checkpointed })
            }
            Status::Running => Ok(RunState::Open(Some(record))),
            Status::Failed if record.fault => Ok(RunState::Failed(record)),
            Status::Failed => Ok(RunState::Stopped(record)),
            Status::Finished | Status::Diverged => match record.verify(folder) {
                Ok(()) if record.status == Status::Finished => Ok(RunState::Finished(record)),
                Ok(()) => Ok(RunState::Failed(record)),
                Err(damage @ Damage::Unreadable { .. }) => Err(damage),
                Err(damage) => Ok(RunState::Damaged { damage, checkpointed: false }),
            },
        }
    }
}

/// What a sweep does with a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextStep {
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

impl RunState {
    /// What a call does with the run: one that does all that is left, or with `retry_failed` only what failed before.
    pub(super) fn step(self, retry_failed: bool) -> NextStep {
        let reason = |record: RunRecord| record.error.unwrap_or_default();
        match (self, retry_failed) {
            (RunState::Finished(_), _) => NextStep::Skip,
            (RunState::Open(_), true) => NextStep::Pass,
            (RunState::Open(_) | RunState::Stopped(_), false) => NextStep::GoOn(None),
            (RunState::Stopped(record) | RunState::Failed(record), true) => NextStep::Anew(reason(record)),
            (RunState::Failed(record), false) => NextStep::LeaveFailed(reason(record)),
            (RunState::Damaged { damage, .. }, true) => NextStep::List(damage.to_string()),
            (RunState::Damaged { damage, checkpointed: true }, false) => NextStep::GoOn(Some(damage.to_string())),
            (RunState::Damaged { damage, checkpointed: false }, false) => NextStep::Anew(damage.to_string()),
        }
    }
}

/// How far a run is that has work left, in tasks and updates: where its checkpoint is, which its record is written with.
pub(super) fn place(folder: &Path) -> (usize, u64) {
    let record = if checkpoint_path(folder).exists() { read_record(folder).ok().flatten() } else { None };
    record.map_or((0, 0), |record| (record.tasks, record.updates))
}

/// The checkpoint in a run's folder.
pub(super) fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("checkpoint").join(checkpoint::FILE)
}
