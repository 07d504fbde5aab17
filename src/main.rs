//! The command line: parse, dispatch, one sentence on failure.

use std::process::ExitCode;

use clap::Parser;
use trainability::cli::{Arguments, sentence};

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}
