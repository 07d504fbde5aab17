//! `trainability replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use trainability_record::text::printable;
use trainability_report::program::need_sweep;

use crate::sweep::write_rates;

/// Write the learning rates that a scheduler's runs took, for the schedule `replay` of another sweep: one file for each
/// finished seed of each arm whose schedule takes decisions, with the geometric mean of the other seeds' rates, update by
/// update and layer by layer. The files are DIR/replay/METHOD/SCHEDULE/seed-N.csv.
#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The folder of a sweep
    #[arg(value_name = "DIR")]
    results: PathBuf,
    /// Only these schedules, by their labels [default: all that take decisions]
    #[arg(long, value_name = "SCHEDULES", value_delimiter = ',')]
    schedules: Option<Vec<String>>,
}

impl ReplayArguments {
    pub(super) fn run(self) -> Result<ExitCode> {
        need_sweep(&self.results)?;
        let folder = self.results.join("replay");
        for arm in write_rates(&self.results, self.schedules.as_deref())? {
            let said = match arm.seeds {
                1 => format!("{}: left out, since one finished seed has no others", arm.arm),
                seeds => format!("{}: {seeds} files in {}", arm.arm, folder.join(&arm.arm).display()),
            };
            println!("{}", printable(&said));
        }
        Ok(ExitCode::SUCCESS)
    }
}
