//! `trainability report`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::Reader;
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
