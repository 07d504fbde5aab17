//! The command line, one file a subcommand: parse arguments, call, print.

use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use trainability_report::program::{ExportArguments, ReportArguments};

mod data;
mod export_run;
mod manual;
mod planning;
mod probe;
mod replay;
mod status;
mod sweep;

/// Networks that learn on a stream of tasks slowly stop being able to learn. This program trains small ones with many
/// methods, measures per layer how noisy the gradient and how volatile the curvature is, steers each layer's learning
/// rate by those two, and scores which measurement really predicts the loss of trainability.
#[derive(Debug, Parser)]
#[command(version = env!("TRAINABILITY_VERSION"), max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sweep(Box<sweep::Sweep>),
    Report(ReportArguments),
    Export(ExportArguments),
    ExportRun(export_run::ExportRunArguments),
    Status(status::StatusArguments),
    Probe(Box<probe::ProbeArguments>),
    Replay(replay::ReplayArguments),
    Data(data::Data),
    Completions(manual::Completions),
    #[command(name = "man")]
    Manual(manual::Manual),
}

/// An error and its causes in one line, without a cause that the message before it has told already.
pub fn sentence(error: &anyhow::Error) -> String {
    trainability_record::text::sentence(error.as_ref())
}

impl Arguments {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever kept it from being done, to be shown as one sentence with its causes.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Sweep(sweep) => sweep.run(),
            Command::Report(report) => {
                report.run()?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Export(export) => {
                export.run()?;
                Ok(ExitCode::SUCCESS)
            }
            Command::ExportRun(export) => export.run(),
            Command::Status(status) => status.run(),
            Command::Probe(probe) => probe.run(),
            Command::Replay(replay) => replay.run(),
            Command::Data(data) => data.run(),
            Command::Completions(completions) => completions.run(Arguments::command()),
            Command::Manual(manual) => manual.run(Arguments::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_tells_each_cause_once() {
        let error = anyhow::anyhow!("no room\n on the disk").context("cannot write a.csv: no room\n on the disk");
        assert_eq!(sentence(&error.context("it failed")), "it failed: cannot write a.csv: no room on the disk");
        assert_eq!(sentence(&anyhow::anyhow!("no \u{1b}[31mkey")), r"no \u{1b}[31mkey", "a file steers no terminal");
    }
}
