//! `trainability status`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::sweep::survey;
use trainability_record::text::printable;

/// Tell what of a sweep is done, running, failed and left, how far each unfinished run is, and how long the rest will take.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// The sweep's folder
    results: PathBuf,
}

impl StatusArguments {
    pub(super) fn run(self) -> Result<ExitCode> {
        let survey = survey(&self.results)?;
        println!("{}", printable(&survey.to_string()));
        Ok(ExitCode::SUCCESS)
    }
}
