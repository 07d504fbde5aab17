//! Files that are complete or absent, whatever happens while they are written.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The folder for it cannot be made.
    #[error("cannot make the folder {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its content cannot be put into its format.
    #[error("cannot write {} as {format}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// `JSON` or `CSV`.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes a file under a temporary name, and renames it once it is on the disk.
///
/// # Errors
/// [`WriteError::File`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|source| WriteError::File { path: path.to_owned(), source })
}

/// Makes a folder with all that lie above it.
///
/// # Errors
/// [`WriteError::Folder`].
pub fn make_folder(path: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(path).map_err(|source| WriteError::Folder { path: path.to_owned(), source })
}
