//! `trainability report`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::report::Format;

/// Print the tables of a sweep, and write summary.csv, predictiveness.csv, claims.csv, report.md, report.html and the figures.
#[derive(Debug, Args)]
pub struct Report {
    /// The sweep's folder
    results: PathBuf,
    /// The folder for the figures [default: plots/NAME]
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// How the tables are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Report {
    pub(super) fn run(self) -> Result<ExitCode> {
        let name = self.results.file_name().unwrap_or(self.results.as_os_str());
        let plots = self.plots.clone().unwrap_or_else(|| PathBuf::from("plots").join(name));
        crate::report::write(&self.results, &plots, self.format, &mut Reader(std::io::stdout().lock()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Standard output whose reader may leave early, as `head` does: the files are written all the same.
struct Reader<W>(W);

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
