//! `trainability report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Reader;
use crate::report::Format;
use crate::report::results::folder_name;

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
        let plots = self.plots.clone().unwrap_or_else(|| PathBuf::from("plots").join(folder_name(&self.results)));
        crate::report::write(&self.results, &plots, self.format, &mut Reader(std::io::stdout().lock()))?;
        Ok(ExitCode::SUCCESS)
    }
}
