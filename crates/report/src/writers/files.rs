//! Writing what the report is made of: files are complete or absent.

use std::path::{Component, Path, PathBuf};
use std::{env, io};

use trainability_record::atomic::{WriteError, write};

use crate::error::ReportError;
use crate::evidence::rows::CsvLine;

/// Writes lines as CSV under the names of the first one's columns.
///
/// # Errors
/// When the file cannot be written, with its path.
pub(crate) fn write_csv(path: &Path, lines: &[CsvLine]) -> Result<(), WriteError> {
    let refuse =
        |error: csv::Error| WriteError::Content { path: path.to_owned(), format: "CSV", reason: error.to_string() };
    write(path, &csv_bytes(lines).map_err(refuse)?)
}

/// Lines as CSV; nothing at all without any.
pub(crate) fn csv_bytes(lines: &[CsvLine]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    if let Some(first) = lines.first() {
        writer.write_record(first.fields.iter().map(|(column, _)| column))?;
    }
    for line in lines {
        writer.serialize(line.fields.iter().map(|(_, field)| field).collect::<Vec<_>>())?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The path of one existing folder as seen from another, with forward slashes.
///
/// # Errors
/// When either does not exist.
pub(crate) fn relative(from: &Path, to: &Path) -> Result<String, ReportError> {
    let absolute = |path: &Path| {
        let found = || -> io::Result<PathBuf> {
            if path.as_os_str().is_empty() { env::current_dir()?.canonicalize() } else { path.canonicalize() }
        };
        found().map_err(|source| ReportError::Folder { path: path.to_owned(), source })
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let parts = up.chain(to.components().skip(shared)).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let joined = parts.collect::<Vec<_>>().join("/");
    Ok(if joined.is_empty() { ".".into() } else { joined })
}
