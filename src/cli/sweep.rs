//! `trainability sweep`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use trainability_record::label;

use super::planning::plan;
use crate::data::ImageSet;
use crate::experiment::{Engine, Experiment, MOST_SEEDS, SlurmOptions, same_arms};
use crate::run::DeviceOption;
use crate::sweep::{
    Call, Foresight, Only, ProgressDisplay, Shard, Signals, Submission, SweepOptions, SweepOutcome, carry_out, foresee,
};

/// Train every method under every schedule with every seed of an experiment. Calling again goes on: what is unfinished
/// continues from its checkpoint, what is finished is left alone, and a run whose files are damaged is done again. A run
/// that diverged or met a fault in the program would do so again: it is listed and left alone (see --retry-failed).
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// The experiment, a JSON file
    config: PathBuf,
    /// Set a value of the experiment by its key path, such as stream.tasks=5 (may be repeated)
    #[arg(long = "set", value_name = "A.B=VALUE")]
    set: Vec<String>,
    /// Where networks are trained, in the place of the experiment's `device`: cpu, cuda, or cuda:1 for the second GPU
    #[arg(long)]
    device: Option<DeviceOption>,
    /// Runs at the same time [default: the number of cores]
    #[arg(long, value_parser = jobs, allow_negative_numbers = true)]
    jobs: Option<usize>,
    /// Only runs whose name METHOD/SCHEDULE/seed-N matches a pattern, such as 'relu/*/*', or begins with it, as with
    /// relu/constant (may be repeated: runs that match any of them)
    #[arg(long, value_name = "GLOB", value_parser = NonEmptyStringValueParser::new())]
    only: Vec<String>,
    /// Only the K-th of N shares of these runs, such as 3/16: N processes, on one machine or several, train them all in
    /// one results folder
    #[arg(long, value_name = "K/N", default_value = "1/1")]
    shard: String,
    /// Seeds in place of the experiment's: a range such as 0..5, or a list such as 0,3,4
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
    /// The sweep's folder [default: results/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do again, from the beginning, the runs of earlier calls that failed or diverged, and no others
    #[arg(long)]
    retry_failed: bool,
    /// Write into the folder NEW_NAME beside the sweep's own, in which the finished runs whose options have not changed
    /// are kept (copied and compared with their checksums), and train the others anew
    #[arg(long, value_name = "NEW_NAME", conflicts_with = "retry_failed")]
    fork: Option<String>,
    /// A run writes a checkpoint when its last is this old
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    checkpoint_every: String,
    /// Write each run's rows as an event file of TensorBoard as well, in the sweep's folder under tensorboard/; also
    /// for runs that were trained without it
    #[arg(long, value_enum, value_name = "KIND")]
    log: Option<Log>,
    /// Print the runs with their number of updates, measure in some seconds what they will cost (hours on this machine,
    /// memory, disk), and train none of them
    #[arg(long)]
    dry_run: bool,
    /// Start no further run once one has failed
    #[arg(long)]
    fail_fast: bool,
    /// Who trains, and how, in the place of the experiment's `engine`: this process, each run by itself (local) or those
    /// whose networks have one shape together (lockstep); or Slurm, which is handed an array of shards and a report that
    /// waits for them
    #[arg(long, value_enum)]
    engine: Option<Carrier>,
    #[command(flatten)]
    slurm: SlurmOptions,
}

/// Where rows go besides the CSV files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Log {
    Tensorboard,
}

/// Who carries a sweep out, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Carrier {
    Local,
    Lockstep,
    Slurm,
}

impl Sweep {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut experiment = Experiment::load(&self.config, &self.set)?;
        if let Some(seeds) = &self.seeds {
            experiment.set_seeds(parse_seeds(seeds)?);
        }
        if let Some(device) = self.device {
            experiment.device = device;
        }
        let seconds = self.checkpoint_every.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let Some(checkpoint_every) = seconds else {
            bail!("--checkpoint-every is {:?}, expected a number of seconds, 0 or above", self.checkpoint_every);
        };
        let shard: Shard = self.shard.parse().map_err(|wrong: String| anyhow!("--shard: {wrong}"))?;
        match self.engine {
            Some(Carrier::Local) => experiment.engine = Engine::Local,
            Some(Carrier::Lockstep) => experiment.engine = Engine::Lockstep,
            None | Some(Carrier::Slurm) => {}
        }
        let by_slurm = self.engine == Some(Carrier::Slurm);
        if !by_slurm && !self.slurm.is_empty() {
            bail!("--partition, --account, --time, --mem, --cpus, --array-limit and --shards are for --engine slurm");
        }
        if by_slurm && (self.fork.is_some() || self.jobs.is_some() || shard != Shard::default()) {
            bail!(
                "--engine slurm takes no --fork, --shard or --jobs: fork first, and --cpus are a shard's runs at the same time"
            );
        }
        let slurm = self.slurm.clone().or(experiment.slurm.clone());
        slurm.check().map_err(|wrong| {
            anyhow!("--{} is {}, expected {}", wrong.key.replace('_', "-"), wrong.found, wrong.expected)
        })?;
        let jobs = match self.jobs {
            Some(jobs) => jobs,
            None if by_slurm => slurm.cpus.unwrap_or(1),
            // A GPU is one for all, and has no need of others beside those in lock step.
            None if experiment.engine == Engine::Lockstep && !experiment.device.is_cpu() => 1,
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let in_lockstep = experiment.engine == Engine::Lockstep;
        let arguments = self.arguments_of_a_shard();
        let only = Only::new(&self.only)?;
        let (plan, set) = plan(experiment, &self.config, &|run| only.may_choose(run))?;
        let chosen = only.choose(&plan.runs)?;
        for sentence in same_arms(&chosen) {
            eprintln!("note: {sentence}");
        }
        let in_the_way = self.out.as_deref().and_then(|out| out.ancestors().find(|path| path.is_file()));
        // Whoever writes there finds out by himself.
        if let Some(file) = in_the_way.filter(|_| self.dry_run) {
            bail!("--out leads to {}, which is a file, expected a folder", file.display());
        }
        let own = self.out.unwrap_or_else(|| PathBuf::from("results").join(&plan.name));
        let (out, fork_of) = match &self.fork {
            None => (own, None),
            Some(name) => (sibling(&own, name)?, Some(own)),
        };
        let options = SweepOptions {
            out,
            jobs,
            only: self.only,
            shard,
            in_lockstep,
            fail_fast: self.fail_fast,
            retry_failed: self.retry_failed,
            fork_of,
            tensorboard: self.log == Some(Log::Tensorboard),
            checkpoint_every,
            signals: if self.dry_run { Signals::default() } else { Signals::listen()? },
        };
        if by_slurm || self.dry_run {
            let foresight = foresee(&plan, &set, &options)?;
            if self.dry_run {
                print!("{}", told(&foresight));
            }
            if by_slurm {
                let call = Call {
                    name: &plan.name,
                    out: &options.out,
                    arguments: &arguments,
                    retry_failed: options.retry_failed,
                };
                hand_over(&foresight, &slurm, &set, call, self.dry_run)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        let outcome = carry_out(&plan, &set, &options, &ProgressDisplay::default())?;
        Ok(conclude(&outcome, &options))
    }

    /// What a shard of this sweep is called with, whoever calls it.
    fn arguments_of_a_shard(&self) -> Vec<String> {
        let valued = |name: &str, value: Option<String>| value.map(|value| format!("--{name}={value}"));
        let set = self.set.iter().map(|setting| format!("--set={setting}"));
        let only = self.only.iter().map(|pattern| format!("--only={pattern}"));
        let others = [
            valued("device", self.device.as_ref().map(ToString::to_string)),
            valued("seeds", self.seeds.clone()),
            valued("checkpoint-every", Some(self.checkpoint_every.clone())),
            self.log.map(|Log::Tensorboard| "--log=tensorboard".to_owned()),
            self.fail_fast.then(|| "--fail-fast".to_owned()),
        ];
        [self.config.display().to_string()]
            .into_iter()
            .chain(set)
            .chain(only)
            .chain(others.into_iter().flatten())
            .collect()
    }
}

/// Runs that are named at the end, of those that have not finished.
const MOST_FAILED: usize = 40;

/// What a sweep would do, and what it would cost.
fn told(Foresight { chosen, left, cost }: &Foresight) -> String {
    let runs = chosen.iter().map(|run| format!("{}  {} updates\n", run.name(), run.updates()));
    let updates = chosen.iter().map(|run| run.updates()).sum::<u64>();
    let of_these = match left.len() {
        all if all == chosen.len() => String::new(),
        some => format!("{some} of them are left to be trained\n"),
    };
    let cost = match cost {
        Some(cost) => format!("\n{cost}"),
        None if !left.is_empty() => "\ntheir cost cannot be measured, since none of them trains\n".to_owned(),
        None => String::new(),
    };
    format!("{}{} runs, {updates} updates\n{of_these}{cost}", runs.collect::<String>(), chosen.len())
}

/// Hands a sweep over to Slurm, or shows what would be.
fn hand_over(foresight: &Foresight, slurm: &SlurmOptions, set: &ImageSet, call: Call, dry_run: bool) -> Result<()> {
    if foresight.left.is_empty() {
        let out = call.out.display();
        println!("nothing is left to be handed over; `trainability status {out}` tells what has failed, if anything");
        return Ok(());
    }
    let submission = Submission::new(foresight, slurm, set, call)?;
    match dry_run {
        true => print!("\n{}", submission.scripts()),
        false => println!("{}; `trainability status {}` tells how it goes", submission.submit()?, call.out.display()),
    }
    Ok(())
}

/// The folder of that name beside a sweep's own.
fn sibling(own: &Path, name: &str) -> Result<PathBuf> {
    if !label::is_valid(name) {
        bail!("--fork is {name:?}, expected the name of a new folder: {}", label::RULE);
    }
    let sibling = own.with_file_name(name);
    if sibling == own {
        bail!("--fork is {name:?}, expected another name than that of the sweep's folder, {}", own.display());
    }
    Ok(sibling)
}

fn conclude(outcome: &SweepOutcome, options: &SweepOptions) -> ExitCode {
    let SweepOutcome { skipped, finished, failed, repeatable, not_started, interrupted } = outcome;
    let mut lines =
        vec![format!("{finished} runs finished, {skipped} were finished before; results in {}", options.out.display())];
    let (shown, others) = failed.split_at(failed.len().min(MOST_FAILED));
    lines.extend(shown.iter().map(|(name, reason)| format!("not finished: {name}: {reason}")));
    if !others.is_empty() {
        lines.push(format!("not finished: {} more, which `trainability status` counts", others.len()));
    }
    if *repeatable > 0 {
        lines
            .push(format!("{repeatable} of these would end the same way again: --retry-failed does them all the same"));
    }
    if *not_started > 0 {
        lines.push(format!("{not_started} runs were not started"));
    }
    let stop = options.signals.stop();
    if stop.is_some() {
        lines.push(format!("{interrupted} runs were stopped with a checkpoint: the same command goes on from there"));
    }
    // A terminal that was closed takes no lines, and the exit code is told all the same.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
    match stop {
        Some(signal) => ExitCode::from(128 + signal),
        None if outcome.is_complete() => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs: &usize| *jobs > 0);
    jobs.ok_or_else(|| "expected a whole number, at least 1".to_owned())
}

/// `0..5` or `0,3,4`.
fn parse_seeds(text: &str) -> Result<Vec<u64>> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let seeds: Option<Vec<u64>> = match text.split_once("..") {
        Some((first, end)) => {
            number(first).zip(number(end)).map(|(first, end)| (first..end).take(MOST_SEEDS + 1).collect())
        }
        None => text.split(',').map(number).collect(),
    };
    let seeds = seeds.unwrap_or_default();
    if seeds.is_empty() {
        let instead = match text.split_once("..").and_then(|(first, end)| number(first).zip(number(end))) {
            Some((first, end)) => {
                let low = first.min(end);
                let high = first.max(end).max(low.saturating_add(1));
                format!("an end above the beginning, such as {low}..{high}")
            }
            None => "a range such as 0..5 or a list such as 0,3,4".to_owned(),
        };
        bail!("--seeds is {text:?}, expected {instead}");
    }
    if seeds.len() > MOST_SEEDS {
        bail!("--seeds is {text:?}, expected at most {MOST_SEEDS} seeds");
    }
    if seeds.iter().enumerate().any(|(index, seed)| seeds[..index].contains(seed)) {
        bail!("--seeds is {text:?}, expected each seed once");
    }
    Ok(seeds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_ranges_or_lists() {
        assert_eq!(parse_seeds("0..3").unwrap(), [0, 1, 2]);
        assert_eq!(parse_seeds("4, 2").unwrap(), [4, 2]);
        for bad in ["", "3..3", "a", "1..b", "-1", "1,1", "0..18446744073709551615"] {
            assert!(parse_seeds(bad).unwrap_err().to_string().contains("--seeds"), "{bad}");
        }
    }
}
