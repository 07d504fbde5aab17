//! `trainability status`.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use trainability_record::text::printable;
use trainability_report::program::need_sweep;

use crate::sweep::survey;

/// Tell what of a sweep is done, running, failed and left, who is at work on it, how far each unfinished run is, and how
/// long the rest will take.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// The sweep's folder
    results: PathBuf,
    /// Compare the files of all finished runs with their checksums, and not only those that a second is enough for
    #[arg(long)]
    verify: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Tell it again every so many seconds, until nobody is at work
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

impl StatusArguments {
    pub(super) fn run(self) -> Result<ExitCode> {
        need_sweep(&self.results)?;
        loop {
            let survey = survey(&self.results, self.verify)?;
            let text =
                if self.json { serde_json::to_string(&survey)? } else { printable(&survey.to_string()).into_owned() };
            let mut out = io::stdout().lock();
            if self.watch.is_some() && !self.json && out.is_terminal() {
                // Clear the screen and begin at its top.
                write!(out, "\x1b[2J\x1b[H")?;
            }
            let written = writeln!(out, "{text}").and_then(|()| out.flush());
            match self.watch {
                // A reader that has gone away wants no more.
                Some(seconds) if written.is_ok() && survey.workers.iter().any(|seen| seen.is_alive) => {
                    std::thread::sleep(Duration::from_secs(seconds));
                }
                _ => return Ok(ExitCode::SUCCESS),
            }
        }
    }
}
