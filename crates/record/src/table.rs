//! What the two readers of CSV files share: their error.

use std::path::{Path, PathBuf};

/// A CSV file that is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", .path.display(), .line.map_or(String::new(), |line| format!(", line {line}")))]
pub struct TableError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: Option<u64>,
    /// What was there and what would be right.
    pub reason: String,
}

impl TableError {
    pub(crate) fn new(path: &Path, line: Option<u64>, reason: String) -> TableError {
        TableError { path: path.to_owned(), line, reason }
    }

    pub(crate) fn of_csv(path: &Path, error: &csv::Error) -> TableError {
        let reason = match error.kind() {
            csv::ErrorKind::Io(e) => format!("cannot be read: {e}"),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("expected {expected_len} fields as in the header, got {len}")
            }
            other => format!("not CSV: {other:?}"),
        };
        TableError::new(path, error.position().map(csv::Position::line), reason)
    }
}
