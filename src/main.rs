//! The command line: parse, dispatch, one sentence on failure.

use std::process::ExitCode;

use clap::Parser;
use trainability::cli::{Arguments, sentence};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            // The complaint, which may go on in further lines, without the usage after it.
            let complaint: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
            eprintln!("{} (--help tells what there is)", complaint.join(" "));
            return ExitCode::FAILURE;
        }
        Err(help) => help.exit(),
    };
    match arguments.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}
