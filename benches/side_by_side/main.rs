//! Our side of `make bench`: `benches/side_by_side.py` runs these modes next to PyTorch and puts the table together.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod measure;
mod plot;
#[path = "../reference/mod.rs"]
mod reference;
mod scaling;
mod throughput;
mod timing;

/// Measures this program; `make bench` calls it.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// What `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Print medians of one step, one measurement and one task's end in milliseconds, as JSON
    Measure,
    /// Print how the cost grows with width, batch, layers and tasks, as CSV
    Scaling,
    /// Print the seconds of whole runs, measured and unmeasured, one and two at a time, as CSV
    Throughput {
        /// The program
        #[arg(long, default_value = env!("CARGO_BIN_EXE_trainability"))]
        program: PathBuf,
        /// Calls of each kind, in turn
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Draw the CSV files of `make bench` as PNG
    Plot {
        /// The folder of the CSV files
        from: PathBuf,
        /// The folder of the images
        to: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().mode {
        Some(Mode::Measure) => measure::measure(),
        Some(Mode::Scaling) => scaling::scaling(),
        Some(Mode::Throughput { program, rounds }) => throughput::throughput(&program, rounds),
        Some(Mode::Plot { from, to }) => plot::plot(&from, &to),
        None => {
            println!("side_by_side: `make bench` runs it");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", trainability::cli::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
