//! The command line of a report: that of the program `trainability-report`, and of `trainability report`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use trainability_record::label;
use trainability_record::text::printable;

pub use crate::complaint::complaint;
use crate::error::ReportError;
use crate::export::{ExportFormat, Exported, export};
use crate::refusal::{Refusal, refuse};
use crate::results::folder_name;
use crate::selection::Filter;
pub use crate::whereabouts::need_sweep;
use crate::write::{Format, Request, write_request};

/// Print the tables of a sweep, and write summary.csv, predictiveness.csv, claims.csv, report.md, report.html and the
/// figures. Several sweeps are compared in one report. Runs that have not finished are shown, and count for nothing.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// The sweep's folder, or those of several sweeps
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// The folder for the figures [default: plots/NAME]
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// The folder for everything else [default: the sweep's own; of several sweeps A+B, and of a part NAME@KEY=VALUE,
    /// beside the first]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only runs that match: method, schedule, seed or an option such as training.learning_rate, with patterns as in
    /// --only, or only some tasks, as in task=1..10, counted from 1, both ends included (may be repeated)
    #[arg(long, value_name = "KEY=VALUE[,VALUE...]")]
    filter: Vec<String>,
    /// Set the arms apart by what they have under a key: method, schedule, or an option such as training.learning_rate
    #[arg(long, value_name = "KEY")]
    group_by: Option<String>,
    /// Hold the runs against what a paper reports: `paper` is arXiv 2509.19698, and a JSON file has the numbers of another
    #[arg(long, value_name = "PAPER")]
    against: Option<String>,
    /// How the tables are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl ReportArguments {
    /// Writes the report, and prints to standard output.
    ///
    /// # Errors
    /// Whatever kept it from being written.
    pub fn run(self) -> Result<(), ReportError> {
        self.results.iter().try_for_each(|folder| need_sweep(folder))?;
        let filters: Vec<Filter> = self.filter.iter().map(|text| text.parse()).collect::<Result<_, Refusal>>()?;
        let name = report_name(&self.results, &self.filter);
        let whole = self.results.len() == 1 && filters.is_empty();
        let out = match &self.out {
            Some(out) => out.clone(),
            None if whole => self.results[0].clone(),
            None if name.chars().count() > 80 || !label::is_valid(&name) => {
                refuse!(
                    "the report of several sweeps, or of a part of one, would be called {name:?}, expected --out DIR"
                )
            }
            None => beside(&self.results[0], &name),
        };
        // What was written for a sweep as a whole is not replaced by something else.
        let own = |folder: &Path| folder.join("runs").is_dir() || folder.join("sweep.json").exists();
        let same = whole && out.canonicalize().ok() == self.results[0].canonicalize().ok();
        if own(&out) && !same {
            refuse!("--out is {}, which is a sweep's own folder, expected another", out.display());
        }
        let plots = self.plots.unwrap_or_else(|| {
            PathBuf::from("plots").join(match &self.out {
                Some(out) => folder_name(out),
                None => name,
            })
        });
        let request = Request {
            results: self.results,
            out,
            plots,
            format: self.format,
            filters,
            group_by: self.group_by,
            against: self.against,
        };
        write_request(&request, &mut Reader(io::stdout().lock()))?;
        Ok(())
    }
}

/// Write all rows of sweeps as two long tables, tasks and controls, for pandas, polars, R or DuckDB: the columns of the runs'
/// own files, and before them which run it was. Runs that have not finished are there as far as they are.
#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The sweep's folder, or those of several sweeps
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// The kind of file
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    /// The folder for the tables [default: the sweep's own]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl ExportArguments {
    /// Writes the tables, and tells what is in them.
    ///
    /// # Errors
    /// Whatever kept them from being written.
    pub fn run(self) -> Result<(), ReportError> {
        self.results.iter().try_for_each(|folder| need_sweep(folder))?;
        let out = match (&self.out, &self.results[..]) {
            (Some(out), _) => out,
            (None, [own]) => own,
            (None, _) => refuse!("--out is missing, expected the folder for the tables of several sweeps"),
        };
        let Exported { runs, unfinished, left_out, files } = export(&self.results, out, self.format)?;
        let (shown, others) = left_out.split_at(left_out.len().min(MOST_LEFT_OUT));
        let mut lines: Vec<String> = shown.iter().map(|reason| format!("left out: {reason}")).collect();
        if !others.is_empty() {
            lines.push(format!("left out: {} more, which `trainability status` counts", others.len()));
        }
        let unfinished = if unfinished > 0 { format!(", {unfinished} of them unfinished") } else { String::new() };
        lines.push(format!("{runs} runs{unfinished}"));
        lines.extend(files.iter().map(|(path, rows)| format!("{}: {rows} rows", path.display())));
        writeln!(Reader(io::stdout().lock()), "{}", printable(&lines.join("\n")))?;
        Ok(())
    }
}

/// Runs that are named of those left out.
const MOST_LEFT_OUT: usize = 20;

/// The folder of that name beside a sweep's own.
fn beside(own: &Path, name: &str) -> PathBuf {
    let whole = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    match (own.parent(), own.file_name()) {
        (Some(parent), Some(_)) => parent.join(name),
        _ => whole.with_file_name(name),
    }
}

/// Like `quick`, `quick+controls`, `quick@method=relu,crelu`; what no folder may be called becomes an underscore.
fn report_name(results: &[PathBuf], filters: &[String]) -> String {
    let sweeps: Vec<String> = results.iter().map(|folder| folder_name(folder)).collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-+=@.,".contains(c) { c } else { '_' };
    let filters = filters.iter().map(|filter| format!("@{}", filter.chars().map(plain).collect::<String>()));
    sweeps.join("+") + &filters.collect::<String>()
}

/// Standard output whose reader may leave early, as `head` does: the files are written all the same.
pub struct Reader<W>(pub W);

impl<W: Write> Write for Reader<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
