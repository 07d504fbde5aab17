//! Why a sweep's folder could not be read.

use std::path::PathBuf;

use trainability_record::Damage;
use trainability_record::table::TableError;

/// Why a sweep's folder could not be read, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// There is nothing like a sweep.
    #[error(
        "{} holds no runs/METHOD/SCHEDULE/seed-N folder; name a folder that `trainability sweep` wrote, such as results/quick",
        .0.display()
    )]
    NotASweep(PathBuf),
    /// Only the summaries were kept.
    #[error(
        "{} keeps only the summaries of its sweep (runs is gone); run the sweep again to draw its report anew",
        .0.display()
    )]
    RunsRemoved(PathBuf),
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// `sweep.json` is not what was written.
    #[error("{0}; the sweep's own command writes it anew and leaves alone what is whole")]
    Damaged(Damage),
    /// A CSV file is not what it should be.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Two runs share method, schedule and seed.
    #[error("{} and {} record the same method, schedule and seed; keep one of them", .0.display(), .1.display())]
    Twice(PathBuf, PathBuf),
}
