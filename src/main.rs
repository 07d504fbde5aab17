//! The command line: parse, dispatch, one sentence on failure.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use trainability::cli::{Arguments, sentence};
use trainability_record::text::printable;
use trainability_report::program::complaint;

fn main() -> ExitCode {
    let told = match Arguments::try_parse() {
        Ok(arguments) => arguments.run().map_err(|error| sentence(&error)),
        Err(error) if error.use_stderr() => Err(printable(&complaint(&error, &Arguments::command())).into_owned()),
        Err(help) => help.exit(),
    };
    match told {
        Ok(code) => code,
        Err(told) => {
            eprintln!("error: {told}");
            ExitCode::FAILURE
        }
    }
}
