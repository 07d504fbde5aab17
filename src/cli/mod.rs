//! The command line, one file a subcommand: parse arguments, call, print.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod data;
mod report;
mod status;
mod sweep;

/// Networks that learn on a stream of tasks slowly stop being able to learn. This program trains small ones with many
/// methods, measures per layer how noisy the gradient and how volatile the curvature is, steers each layer's learning
/// rate by those two, and scores which measurement really predicts the loss of trainability.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sweep(sweep::Sweep),
    Report(report::Report),
    Status(status::Status),
    Data(data::Data),
}

impl Arguments {
    /// Does what was asked for.
    ///
    /// # Errors
    /// Whatever kept it from being done, to be shown as one sentence with its causes.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            Command::Sweep(sweep) => sweep.run(),
            Command::Report(report) => report.run(),
            Command::Status(status) => status.run(),
            Command::Data(data) => data.run(),
        }
    }
}
