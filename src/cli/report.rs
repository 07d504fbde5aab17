//! `trainability report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::Reader;
use crate::experiment::label;
use crate::report::results::folder_name;
use crate::report::selection::Filter;
use crate::report::{Format, Request, write_request};

/// Print the tables of a sweep, and write summary.csv, predictiveness.csv, claims.csv, report.md, report.html and the
/// figures. Several sweeps are compared in one report.
#[derive(Debug, Args)]
pub struct Report {
    /// The sweep's folder, or those of several sweeps
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// The folder for the figures [default: plots/NAME]
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// The folder for everything else [default: the sweep's own; of several sweeps A+B, and of a part NAME@KEY=VALUE,
    /// beside the first]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only runs that match: method, schedule, seed or an option such as training.learning_rate, with patterns as in
    /// --only, or only some tasks, as in task=1..10, counted from 1, both ends included (may be repeated)
    #[arg(long, value_name = "KEY=VALUE[,VALUE...]")]
    filter: Vec<String>,
    /// Set the arms apart by what they have under a key: method, schedule, or an option such as training.learning_rate
    #[arg(long, value_name = "KEY")]
    group_by: Option<String>,
    /// How the tables are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Report {
    pub(super) fn run(self) -> Result<ExitCode> {
        let filters: Vec<Filter> = self.filter.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        let name = report_name(&self.results, &self.filter);
        let whole = self.results.len() == 1 && filters.is_empty();
        let out = match &self.out {
            Some(out) => out.clone(),
            None if whole => self.results[0].clone(),
            None if name.chars().count() > 80 || !label::is_valid(&name) => {
                bail!("the report of several sweeps, or of a part of one, would be called {name:?}, expected --out DIR")
            }
            None => beside(&self.results[0], &name),
        };
        // What was written for a sweep as a whole is not replaced by something else.
        let own = |folder: &Path| folder.join("runs").is_dir() || folder.join("sweep.json").exists();
        let same = whole && out.canonicalize().ok() == self.results[0].canonicalize().ok();
        if own(&out) && !same {
            bail!("--out is {}, which is a sweep's own folder, expected another", out.display());
        }
        let plots = self.plots.unwrap_or_else(|| {
            PathBuf::from("plots").join(match &self.out {
                Some(out) => folder_name(out),
                None => name,
            })
        });
        let request =
            Request { results: self.results, out, plots, format: self.format, filters, group_by: self.group_by };
        write_request(&request, &mut Reader(std::io::stdout().lock()))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder of that name beside a sweep's own.
fn beside(own: &Path, name: &str) -> PathBuf {
    let whole = own.canonicalize().unwrap_or_else(|_| own.to_owned());
    match (own.parent(), own.file_name()) {
        (Some(parent), Some(_)) => parent.join(name),
        _ => whole.with_file_name(name),
    }
}

/// Like `quick`, `quick+controls`, `quick@method=relu,crelu`; what no folder may be called becomes an underscore.
fn report_name(results: &[PathBuf], filters: &[String]) -> String {
    let sweeps: Vec<String> = results.iter().map(|folder| folder_name(folder)).collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-+=@.,".contains(c) { c } else { '_' };
    let filters = filters.iter().map(|filter| format!("@{}", filter.chars().map(plain).collect::<String>()));
    sweeps.join("+") + &filters.collect::<String>()
}
