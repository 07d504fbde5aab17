//! `trainability export-run`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use trainability_record::label;

use super::planning::plan;
use crate::experiment::Experiment;
use crate::run::export_run;

/// Updates that are exported where nobody says how many.
const UPDATES: u64 = 200;

/// Write what another program needs to train a run of an experiment again: its initial weights, images, labels, minibatches
/// and learning rates as safetensors, its options as JSON, and the losses of its first updates to be compared with.
/// `scripts/replicate.py DIR` does so in PyTorch.
#[derive(Debug, Args)]
pub(super) struct ExportRunArguments {
    /// The experiment, a JSON file
    config: PathBuf,
    /// The run, by the name that `sweep --dry-run` lists; any seed will do
    #[arg(long, value_name = "METHOD/SCHEDULE/seed-N")]
    run: String,
    /// Its first updates, which are trained [default: 200, or all where there are fewer]
    #[arg(long, value_name = "N")]
    updates: Option<u64>,
    /// The folder for the files [default: results/NAME/export/METHOD/SCHEDULE/seed-N]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Set a value of the experiment by its key path, such as training.precision=f64 (may be repeated)
    #[arg(long = "set", value_name = "A.B=VALUE")]
    set: Vec<String>,
}

impl ExportRunArguments {
    pub(super) fn run(self) -> Result<ExitCode> {
        // As in a sweep, whose runs have one thread each: more would round differently.
        tch::set_num_threads(1);
        let mut experiment = Experiment::load(&self.config, &self.set)?;
        let Some(seed) = self.run.rsplit_once("/seed-").and_then(|(_, seed)| seed.parse().ok()) else {
            bail!("--run is {:?}, expected the name of one run, such as relu/constant/seed-0", self.run);
        };
        experiment.set_seeds(vec![seed]);
        let (plan, set) = plan(experiment, &self.config, &|name| name == self.run)?;
        let Some(run) = plan.runs.iter().find(|run| run.name() == self.run) else {
            let names: Vec<String> = plan.runs.iter().map(|run| run.name()).collect();
            let guess = label::nearest(&self.run, names.iter().map(String::as_str)).unwrap_or(&names[0]);
            bail!(
                "--run is {:?}, expected one of the {} runs of {} with this seed, such as {guess}",
                self.run,
                names.len(),
                self.config.display()
            );
        };
        let updates = self.updates.unwrap_or(UPDATES.min(run.updates()));
        let default = || PathBuf::from("results").join(&plan.name).join("export").join(run.name());
        let out = self.out.unwrap_or_else(default);
        let written = export_run(run, &set, updates, &out)?;
        println!(
            "{}: {updates} of {} updates, {} of {} tasks, {:.1} MB in {}",
            run.name(),
            run.updates(),
            written.tasks,
            run.stream.tasks,
            written.bytes as f64 / 1e6,
            out.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}
