//! Why there is no report, in one sentence with its causes.

use std::io;
use std::path::PathBuf;

use trainability_record::atomic::WriteError;

use crate::plot::canvas::DrawError;
use crate::refusal::Refusal;
use crate::results_error::ResultsError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The sweeps cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The request cannot be met.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A file of the report cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A figure cannot be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// A folder cannot be found again.
    #[error("{} cannot be read", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The tables cannot be printed.
    #[error("the tables cannot be printed")]
    Print(#[from] io::Error),
}
