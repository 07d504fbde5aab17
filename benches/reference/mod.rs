//! The reference setting of all benchmarks: digits, 784-256-256-10, minibatches of 256, one thread of libtorch.

use anyhow::{Context, Result};
use serde_json::json;
use trainability::data::{ImageSet, load};
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability::run::Run;

/// What a benchmarked run is made of; by default the reference setting, with nothing measured.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The method's name.
    pub method: &'static str,
    /// The optimizer's name.
    pub optimizer: &'static str,
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
    /// Images of a minibatch.
    pub batch: usize,
    /// Images of the stream.
    pub images: usize,
    /// K, updates from one measurement to the next; 0 for none.
    pub interval: u64,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting { method: "relu", optimizer: "adam", hidden: vec![256, 256], batch: 256, images: 1280, interval: 0 }
    }
}

/// The images that `make setup` brings.
pub(crate) fn digits() -> Result<ImageSet> {
    load("mnist-5k", None).context("the benchmarks need the default images")
}

/// The run of a setting, on random labels in tasks of 60 epochs, as in `configs/quick.json`; longer than any benchmark.
pub(crate) fn run(setting: &Setting, set: &ImageSet) -> Result<Run> {
    tch::set_num_threads(1);
    let mut training = json!({ "batch_size": setting.batch, "optimizer": setting.optimizer });
    if setting.optimizer == "sgd" {
        // Plain gradient descent, as the online protocols have it.
        training["momentum"] = json!(0.0);
    }
    let experiment = json!({
        "data": { "set": set.name, "images": setting.images },
        "stream": { "tasks": 10_000, "epochs": 60 },
        "network": { "hidden": setting.hidden },
        "training": training,
        "measure": { "interval": setting.interval },
        "methods": [setting.method],
        "schedules": ["constant"],
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "the benchmark", "bench")?;
    let plan = Plan::new(experiment, &ImageFacts::of(set))?;
    Ok(Run::new(&plan.runs[0], set)?)
}
