//! Writing what the report is made of: files are complete or absent.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::{env, fs};

use anyhow::Context;
use atomic_write_file::AtomicWriteFile;
use serde::Serialize;

/// Writes a file under a temporary name and then renames it.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Writes rows as CSV under the names of their fields. A text that a spreadsheet would take for a formula gets an
/// apostrophe in front.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write_csv<Row: Serialize>(path: &Path, rows: impl IntoIterator<Item = Row>) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).with_context(|| format!("{} cannot be written as CSV", path.display()))?;
    }
    let bytes = writer.into_inner().with_context(|| format!("{} cannot be written as CSV", path.display()))?;
    write(path, &without_formulas(&bytes)?)
}

/// The same CSV, with an apostrophe before every text that begins like a formula.
fn without_formulas(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in csv::ReaderBuilder::new().has_headers(false).from_reader(bytes).records() {
        let field =
            |field: &str| match field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err() {
                true => format!("'{field}"),
                false => field.to_owned(),
            };
        writer.write_record(record?.iter().map(field))?;
    }
    Ok(writer.into_inner()?)
}

/// Makes a folder with all that lie above it.
///
/// # Errors
/// When that fails, with its path.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("the folder {} cannot be made", path.display()))
}

/// The path of one existing folder as seen from another, with forward slashes.
///
/// # Errors
/// When either does not exist.
pub fn relative(from: &Path, to: &Path) -> anyhow::Result<String> {
    let absolute = |path: &Path| -> anyhow::Result<PathBuf> {
        let path = if path.as_os_str().is_empty() { env::current_dir()? } else { path.to_owned() };
        path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))
    };
    let (from, to) = (absolute(from)?, absolute(to)?);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    let parts = up.chain(to.components().skip(shared)).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let joined = parts.collect::<Vec<_>>().join("/");
    Ok(if joined.is_empty() { ".".into() } else { joined })
}
