//! The report alone, for machines without libtorch: `trainability-report RESULTS_DIR`.

use std::process::ExitCode;

use clap::Parser;
use trainability_record::text::sentence;
use trainability_report::program::ReportArguments;

#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct ReportProgram {
    #[command(flatten)]
    report: ReportArguments,
}

fn main() -> ExitCode {
    match ReportProgram::parse().report.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}
