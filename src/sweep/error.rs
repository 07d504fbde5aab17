//! Why a sweep cannot be carried out or looked at.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use trainability_record::Damage;
use trainability_record::atomic::WriteError;

use super::lease::TakenOver;
use super::memory::MemoryError;

/// Why a sweep cannot be carried out or looked at, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// `--only` is no glob pattern.
    #[error("--only {pattern} is no pattern such as 'relu/*/*': {reason}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--only` matches no run.
    #[error("--only {pattern} chooses none of the {runs} runs, whose names are like {example}{guess}")]
    NoRunChosen {
        /// What was given.
        pattern: String,
        /// Runs of the plan.
        runs: usize,
        /// The name of one of them.
        example: String,
        /// What may have been meant, if anything is near.
        guess: String,
    },
    /// The runs do not fit into memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The sweep's folder cannot be made or written.
    #[error("cannot write to the results folder {}, choose another --out: {source}", .folder.display())]
    Unwritable {
        /// The sweep's folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An event file cannot be written; the path is part of what the system says.
    #[error("cannot write an event file: {0}")]
    EventFile(io::Error),
    /// Another process is at work on the same runs.
    #[error("another sweep is at work in {} ({by}): wait for it, or choose another --out", .folder.display())]
    InUse {
        /// The sweep's folder.
        folder: PathBuf,
        /// Which process, and where.
        by: String,
    },
    /// While this process slept, another took its place.
    #[error("{TakenOver}")]
    TakenOver,
    /// The folder holds a run that was made with other options than the plan's.
    #[error(
        "{} holds results of other options ({differences}): choose another --out, or --fork NEW_NAME to keep what still fits \
         in a new folder", .run.display()
    )]
    OtherOptions {
        /// The run's folder.
        run: PathBuf,
        /// Each option that differs, with both values.
        differences: String,
    },
    /// There are no runs where `--fork` looks for them.
    #[error("{} holds no runs that --fork could keep: leave it out, or name that sweep's folder in --out", .0.display())]
    NothingToFork(PathBuf),
    /// A run that `--fork` keeps cannot be copied.
    #[error("cannot copy {}: {source}", .run.display())]
    Copy {
        /// The run's folder in the sweep that is forked.
        run: PathBuf,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What a run left behind cannot be moved out of the way.
    #[error("cannot move {} to {}: {source}", .from.display(), .to.display())]
    Move {
        /// The run's folder.
        from: PathBuf,
        /// Where it was to go.
        to: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the sweep cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The threads cannot be started.
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The system does not let the process listen to signals.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] io::Error),
    /// Slurm did not take the job.
    #[error("{0}")]
    Slurm(String),
    /// There is no `sweep.json` that can be read.
    #[error("{} is no folder that `trainability sweep` wrote: {source}", .folder.display())]
    NoSweep {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with its `sweep.json`.
        source: Damage,
    },
    /// `sweep.json` is not what was written.
    // The damage is no source: it stands in the middle of the sentence.
    #[error("{0}; the sweep's own command writes it anew and leaves alone what is whole")]
    Changed(Damage),
}
