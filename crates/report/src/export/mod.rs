//! All rows of sweeps as two long tables, for those who compute with other tools.
//!
//! `tasks` has a row a task, `controls` a row a layer at each measured update: the columns of the runs' CSV files, and before
//! them which run it was. A column that only some runs have is empty in the others.

mod long_csv;
mod long_rows;
mod parquet;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use rayon::prelude::*;
use trainability_record::partial::whole_rows;
use trainability_record::run::run_folders;
use trainability_record::{CSV_FILES, RunRecord, Status, read_record};

use crate::error::ReportError;
use crate::refusal::{Refusal, refuse};
use crate::results::folder_name;
use long_rows::{KEYS, LongFile, LongRows};

/// The kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    /// Apache Parquet: typed, small, read by pandas, polars, R and DuckDB in seconds.
    #[default]
    Parquet,
    /// One long CSV file, the numbers with the digits that they have in the runs' own.
    Csv,
}

impl ExportFormat {
    fn extension(self) -> &'static str {
        match self {
            ExportFormat::Parquet => "parquet",
            ExportFormat::Csv => "csv",
        }
    }
}

/// A run whose rows are taken.
struct Source {
    sweep: String,
    folder: PathBuf,
    record: RunRecord,
}

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    /// Runs, and those of them that have not finished.
    pub(crate) runs: usize,
    pub(crate) unfinished: usize,
    /// Why runs were left out, by reason.
    pub(crate) left_out: Vec<String>,
    /// Each file with its number of rows.
    pub(crate) files: Vec<(PathBuf, u64)>,
}

/// Rows that are put together before they are written: a row group of a Parquet file.
const MOST_ROWS: usize = 200_000;
/// Runs that are read at once.
const BATCH: usize = 64;

/// Writes the rows of sweeps to `out`, as `tasks` and `controls` with the format's extension. A run that was changed since it
/// was written is left out; of one that is under way there are the rows that it has.
///
/// # Errors
/// A folder holds no runs, or a file cannot be read or written.
pub(crate) fn export(sweeps: &[PathBuf], out: &Path, format: ExportFormat) -> Result<Exported, ReportError> {
    let mut exported = Exported::default();
    let mut sources = Vec::new();
    for sweep in sweeps {
        let folders = run_folders(sweep);
        if folders.is_empty() {
            refuse!("{} holds no runs, expected the folder of a sweep", sweep.display());
        }
        let looked_at: Vec<_> = folders.into_par_iter().map(|folder| source(sweep, folder)).collect();
        for found in looked_at {
            match found {
                Ok(source) => sources.extend(source),
                Err(reason) => exported.left_out.push(reason),
            }
        }
    }
    exported.runs = sources.len();
    exported.unfinished = sources.iter().filter(|source| source.record.status == Status::Running).count();
    fs::create_dir_all(out).map_err(|error| Refusal::new(format_args!("cannot make {}: {error}", out.display())))?;
    for name in CSV_FILES {
        let path = out.join(name).with_extension(format.extension());
        let rows = write_table(name, &sources, &path, format)?;
        exported.files.push((path, rows));
    }
    Ok(exported)
}

/// A run with its record, unless it has written nothing; or why it is left out.
fn source(sweep: &Path, folder: PathBuf) -> Result<Option<Source>, String> {
    let Some(record) = read_record(&folder).map_err(|damage| damage.to_string())? else { return Ok(None) };
    if matches!(record.status, Status::Finished | Status::Diverged) {
        record.verify(&folder).map_err(|damage| damage.to_string())?;
    }
    Ok(Some(Source { sweep: folder_name(sweep), folder, record }))
}

fn write_table(name: &str, sources: &[Source], path: &Path, format: ExportFormat) -> Result<u64, ReportError> {
    let unwritable = |reason: String| Refusal::new(format_args!("cannot write {}: {reason}", path.display()));
    let names = header(name, sources)?;
    let mut file = AtomicWriteFile::open(path).map_err(|error| unwritable(error.to_string()))?;
    let mut rows = 0;
    {
        let sink: &mut (dyn Write + Send) = &mut file;
        let mut long: Box<dyn LongFile> = match format {
            ExportFormat::Parquet => Box::new(parquet::ParquetFile::create(sink, name, &names).map_err(unwritable)?),
            ExportFormat::Csv => Box::new(long_csv::LongCsv::create(sink, &names).map_err(unwritable)?),
        };
        let mut waiting = LongRows::new(&names);
        for batch in sources.chunks(BATCH) {
            let read: Result<Vec<LongRows>, Refusal> =
                batch.par_iter().map(|source| read(name, source, &names)).collect();
            for columns in read? {
                rows += columns.rows() as u64;
                waiting.append(columns);
                if waiting.rows() >= MOST_ROWS {
                    long.add(&waiting).map_err(unwritable)?;
                    waiting = LongRows::new(&names);
                }
            }
        }
        long.add(&waiting).and_then(|()| long.finish()).map_err(unwritable)?;
    }
    file.commit().map_err(|error| unwritable(error.to_string()))?;
    Ok(rows)
}

/// The bytes of a run's file, as far as there are any.
fn bytes(name: &str, source: &Source) -> Result<Vec<u8>, Refusal> {
    let path = source.folder.join(name);
    let read = match source.record.status {
        Status::Running | Status::Failed => whole_rows(&source.folder, name),
        _ => fs::read(&path),
    };
    read.map_err(|error| Refusal::new(format_args!("cannot read {}: {error}", path.display())))
}

/// The columns of all runs, in the order in which they first come.
fn header(name: &str, sources: &[Source]) -> Result<Vec<String>, Refusal> {
    let of_run = |source: &Source| -> Result<Vec<String>, Refusal> {
        let path = source.folder.join(name);
        let mut line = String::new();
        let file = File::open(&path).or_else(|_| File::open(source.folder.join(format!("{name}.partial"))));
        if let Ok(file) = file {
            let read = BufReader::new(file).read_line(&mut line);
            read.map_err(|error| Refusal::new(format_args!("cannot read {}: {error}", path.display())))?;
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let record = reader.records().next().transpose();
        Ok(record.map_err(|error| long_rows::refuse_csv(&path, &error))?.iter().flatten().map(str::to_owned).collect())
    };
    let headers: Vec<Vec<String>> = sources.par_iter().map(of_run).collect::<Result<_, _>>()?;
    let keys = KEYS.iter().map(|key| (*key).to_owned());
    let mut known = BTreeSet::new();
    Ok(keys.chain(headers.into_iter().flatten()).filter(|name| known.insert(name.clone())).collect())
}

fn read(name: &str, source: &Source, names: &[String]) -> Result<LongRows, Refusal> {
    let RunRecord { method, schedule, seed, status, .. } = &source.record;
    let status = match status {
        Status::Running => "running",
        Status::Finished => "finished",
        Status::Diverged => "diverged",
        Status::Failed => "failed",
    };
    let keys = [&source.sweep, method, schedule, &seed.to_string(), status].map(str::to_owned);
    LongRows::read(&source.folder.join(name), &bytes(name, source)?, keys, names)
}
