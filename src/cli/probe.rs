//! `trainability probe`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::{Map, Value, json};
use trainability_report::program::Reader;
use trainability_report::{Table, terminal};

use crate::inspection::{Comparison, Curve, Findings, Foreign, NewTask, Reading, Sources, Values, compare, measure};
use crate::learner::Precision;
use crate::model::NetworkOptions;
use crate::optimizer::AdamOptions;
use crate::run::{DeviceOption, MethodPlan};

/// Measure a network that was trained elsewhere: every statistic and indicator on a batch, and how well it still learns a new
/// task.
#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// The parameters in safetensors format, as a state_dict names them: fc1.weight (out x in), fc1.bias, fc2.weight, ...
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// The batch in safetensors format: images (N x D, or N x channels x height x width) and labels (N, I64)
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,
    /// Adam's state in safetensors format: fc1.weight.exp_avg_sq, fc1.weight.exp_avg, ..., and step
    #[arg(long, value_name = "FILE")]
    adam_state: Option<PathBuf>,
    /// The parameters from which training began, for methods that look back at them
    #[arg(long, value_name = "FILE")]
    initial: Option<PathBuf>,
    /// The network's kind, mlp, convolutional, residual or transformer [default: mlp]
    #[arg(long, value_name = "KIND")]
    model: Option<String>,
    /// An option of the network as in an experiment: channels=[16,32]; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "model")]
    set: Vec<String>,
    /// What stands between layers [default: relu, or what the method says]
    #[arg(long, value_name = "NAME")]
    activation: Option<String>,
    /// Parts of the method as in an experiment: l2_loss, or '{"name": "l2_loss", "coefficient": 1e-4}'; may be repeated
    #[arg(long, value_name = "PARTS")]
    method: Vec<String>,
    /// The learning rate of every layer
    #[arg(long, value_name = "RATE", default_value = "1e-3", value_parser = positive)]
    learning_rate: f64,
    /// Decay of Adam's first moment
    #[arg(long, value_name = "DECAY", default_value = "0.9", value_parser = decay)]
    beta1: f64,
    /// Decay of Adam's second moment
    #[arg(long, value_name = "DECAY", default_value = "0.999", value_parser = decay)]
    beta2: f64,
    /// Adam's epsilon
    #[arg(long, value_name = "EPSILON", default_value = "1e-8", value_parser = positive)]
    epsilon: f64,
    /// The element type to compute in, f32 or f64 [default: the checkpoint's]
    #[arg(long, value_name = "TYPE", value_parser = precision)]
    precision: Option<Precision>,
    /// Where to compute: cpu, cuda, or cuda:1 for the second GPU
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: DeviceOption,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
    /// Also train the network, and a fresh one of the same shape, on random labels for the batch's images
    #[arg(long)]
    trainability: bool,
    /// Passes over the images in that task
    #[arg(long, value_name = "N", default_value = "20", value_parser = count, requires = "trainability")]
    epochs: usize,
    /// Images in a minibatch of that task
    #[arg(long, value_name = "N", default_value = "256", value_parser = count, requires = "trainability")]
    batch_size: usize,
    /// The seed of labels, order and the fresh network, and of iterations that start at random
    #[arg(long, value_name = "SEED", default_value = "0")]
    seed: u64,
}

impl ProbeArguments {
    pub(super) fn run(self) -> Result<ExitCode> {
        tch::set_num_threads(1);
        let reading = Reading {
            network: self.model.as_deref().map(|kind| network(kind, &self.set)).transpose()?,
            method: MethodPlan::with_activation(self.activation.as_deref(), &self.method, "the command line")?,
            adam: AdamOptions { beta1: self.beta1, beta2: self.beta2, epsilon: self.epsilon, beta_ramp: None },
            learning_rate: self.learning_rate,
            precision: self.precision,
            device: self
                .device
                .device()
                .map_err(|expected| anyhow!("--device is {}, expected {expected}", self.device))?,
        };
        let sources = Sources {
            checkpoint: &self.checkpoint,
            batch: &self.batch,
            adam_state: self.adam_state.as_deref(),
            initial: self.initial.as_deref(),
        };
        let mut foreign = Foreign::read(sources, reading)?;
        let findings = measure(&mut foreign, self.seed)?;
        let task = NewTask { seed: self.seed, epochs: self.epochs, batch_size: self.batch_size };
        let precision = foreign.precision();
        let comparison = self.trainability.then(|| compare(foreign, task));
        let mut out = Reader(io::stdout().lock());
        if self.json {
            let mut value = findings_as_json(&findings);
            value.insert("precision".to_owned(), json!(precision));
            if let Some(comparison) = &comparison {
                value.insert("trainability".to_owned(), comparison_as_json(comparison, task));
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&value)?)?;
        } else {
            print_findings(&mut out, &findings)?;
            if let Some(comparison) = &comparison {
                print_comparison(&mut out, comparison, task)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The section `network` of an experiment, from its kind and single options.
fn network(kind: &str, options: &[String]) -> Result<NetworkOptions> {
    let mut section = Map::from_iter([("kind".to_owned(), json!(kind))]);
    for option in options {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            anyhow!(
                "--set is {option:?}, expected a key of the section network, = and a value, such as channels=[16,32]"
            )
        })?;
        let key = key.strip_prefix("network.").unwrap_or(key);
        let value = serde_json::from_str(value).map_err(|error| {
            anyhow!("--set {key} is {value:?}, expected a number or a list such as [16,32] ({error})")
        })?;
        section.insert(key.to_owned(), value);
    }
    let network: NetworkOptions =
        serde_json::from_value(section.into()).map_err(|error| anyhow!("--model and --set: {error}"))?;
    if !network.sees_pixels() && !options.is_empty() {
        return Err(anyhow!(
            "--set is given with --model mlp, expected left out: a perceptron's widths are the checkpoint's"
        ));
    }
    network.check().map_err(|error| anyhow!("--set {error}"))?;
    Ok(network)
}

fn positive(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| *value > 0.0 && value.is_finite());
    value.ok_or_else(|| "expected a finite number above 0".to_owned())
}

fn decay(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| (0.0..1.0).contains(value));
    value.ok_or_else(|| "expected a number, at least 0 and below 1".to_owned())
}

fn count(text: &str) -> Result<usize, String> {
    let value = text.parse().ok().filter(|value: &usize| (1..=1_000_000).contains(value));
    value.ok_or_else(|| "expected a whole number from 1 to 1000000".to_owned())
}

fn precision(text: &str) -> Result<Precision, String> {
    match text {
        "f32" => Ok(Precision::F32),
        "f64" => Ok(Precision::F64),
        _ => Err("expected f32 or f64".to_owned()),
    }
}

/// Null is undefined; no constraint is the string `inf`, since JSON has no number for it.
fn value_as_json(value: Option<f64>) -> Value {
    match value {
        Some(value) if value.is_infinite() => json!(if value > 0.0 { "inf" } else { "-inf" }),
        value => json!(value),
    }
}

fn values_as_json(values: &Values) -> Value {
    values.iter().map(|(name, value)| ((*name).to_owned(), value_as_json(*value))).collect::<Map<_, _>>().into()
}

fn findings_as_json(findings: &Findings) -> Map<String, Value> {
    let layers: Map<_, _> =
        findings.layers.iter().map(|(name, values)| (name.clone(), values_as_json(values))).collect();
    Map::from_iter([("layers".to_owned(), layers.into()), ("network".to_owned(), values_as_json(&findings.network))])
}

fn comparison_as_json(comparison: &Comparison, task: NewTask) -> Value {
    let curve = |curve: &Curve| json!({ "online_accuracy": curve.online_accuracy, "by_epoch": curve.by_epoch });
    json!({
        "seed": task.seed,
        "epochs": task.epochs,
        "batch_size": task.batch_size,
        "checkpoint": curve(&comparison.checkpoint),
        "fresh": curve(&comparison.fresh),
        "difference": curve(&comparison.difference()),
    })
}

/// Layers that a table of the terminal's width has room for.
const LAYERS_A_TABLE: usize = 5;

/// Six significant digits.
fn shown(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.is_infinite() || value == 0.0 => value.to_string(),
        Some(value) if (1e-3..1e6).contains(&value.abs()) => {
            let digits = (5 - value.abs().log10().floor() as i32).max(0) as usize;
            format!("{value:.digits$}")
        }
        Some(value) => format!("{value:.5e}"),
    }
}

fn print_findings(out: &mut dyn Write, findings: &Findings) -> io::Result<()> {
    let note = "- is undefined: one measurement has no past, hence no volatility and no bound that is made of it; without \
                Adam's state there is no effective step.";
    let mut table = Table::new("The network on the batch", note, &["indicator", "#value"]);
    for (name, value) in &findings.network {
        table.push(vec![(*name).to_owned(), shown(*value)], false);
    }
    terminal::table(out, &table)?;
    for layers in findings.layers.chunks(LAYERS_A_TABLE) {
        let names = layers.iter().map(|(name, _)| format!("#{name}"));
        let headings: Vec<String> = std::iter::once("statistic".to_owned()).chain(names).collect();
        let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
        let mut table = Table::new("Its layers", "", &headings);
        for (row, (name, _)) in layers[0].1.iter().enumerate() {
            let cells = layers.iter().map(|(_, values)| shown(values[row].1));
            table.push(std::iter::once((*name).to_owned()).chain(cells).collect(), false);
        }
        terminal::table(out, &table)?;
    }
    Ok(())
}

fn print_comparison(out: &mut dyn Write, comparison: &Comparison, task: NewTask) -> io::Result<()> {
    let note = format!(
        "Online accuracy on random labels for the batch's images, seed {}, minibatches of {}, for the network and a fresh one \
         of the same shape, on the same labels in the same order. A difference below 0 is trainability lost.",
        task.seed, task.batch_size
    );
    let mut table = Table::new("A new task", &note, &["epoch", "#checkpoint", "#fresh", "#difference"]);
    let difference = comparison.difference();
    let curves = [&comparison.checkpoint, &comparison.fresh, &difference];
    let row = |name: String, values: [Option<f64>; 3]| {
        std::iter::once(name).chain(values.map(|value| value.map_or("-".to_owned(), |v| format!("{v:.4}")))).collect()
    };
    for epoch in 0..task.epochs {
        table.push(row((epoch + 1).to_string(), curves.map(|curve| curve.by_epoch[epoch])), false);
    }
    table.push(row("all".to_owned(), curves.map(|curve| curve.online_accuracy)), true);
    terminal::table(out, &table)
}
