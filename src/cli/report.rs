//! `trainability report`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::report::results::folder_name;

/// Print the tables of a sweep, and write summary.csv, predictiveness.csv, report.md, report.html and the figures.
#[derive(Debug, Args)]
pub struct Report {
    /// The sweep's folder
    results: PathBuf,
    /// The folder for the figures [default: plots/NAME]
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(self) -> Result<ExitCode> {
        let plots = self.plots.clone().unwrap_or_else(|| PathBuf::from("plots").join(folder_name(&self.results)));
        crate::report::write(&self.results, &plots, &mut Reader(std::io::stdout().lock()))?;
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
