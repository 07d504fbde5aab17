//! Writing what the report is made of: files are complete or absent.

use std::path::{Component, Path, PathBuf};
use std::{env, io};

use serde::Serialize;
use trainability_record::atomic::{WriteError, write};

use crate::error::ReportError;

/// Writes rows as CSV under the names of their fields. A text that a spreadsheet would take for a formula gets an
/// apostrophe in front.
///
/// # Errors
/// When the file cannot be written, with its path.
pub(crate) fn write_csv<Row: Serialize>(path: &Path, rows: impl IntoIterator<Item = Row>) -> Result<(), WriteError> {
    let bytes = || -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        rows.into_iter().try_for_each(|row| writer.serialize(row))?;
        without_formulas(&finished(writer)?)
    };
    let refuse =
        |error: csv::Error| WriteError::Content { path: path.to_owned(), format: "CSV", reason: error.to_string() };
    write(path, &bytes().map_err(refuse)?)
}

fn finished(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// The same CSV, with an apostrophe before every text that begins like a formula.
fn without_formulas(bytes: &[u8]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(bytes).records() {
        let field =
            |field: &str| match field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err() {
                true => format!("'{field}"),
                false => field.to_owned(),
            };
        writer.write_record(record?.iter().map(field))?;
    }
    finished(writer)
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
