//! The report alone, for machines without libtorch: `trainability-report RESULTS_DIR`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use trainability_record::text::sentence;
use trainability_report::program::{ReportArguments, complaint};

#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct ReportProgram {
    #[command(flatten)]
    report: ReportArguments,
}

fn main() -> ExitCode {
    let told = match ReportProgram::try_parse() {
        Ok(program) => program.report.run().map_err(|error| sentence(&error)),
        Err(error) if error.use_stderr() => Err(complaint(&error, &ReportProgram::command())),
        Err(help) => help.exit(),
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            eprintln!("error: {told}");
            ExitCode::FAILURE
        }
    }
}
