//! How the cost grows with the network's width, the minibatch, the number of layers and the number of tasks.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;
use trainability::data::ImageSet;
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability::run::{Run, columns};
use trainability_record::Recorder;

use crate::reference::{Setting, digits, run};
use crate::timing::Updates;

/// One row: either a cost or a memory.
#[derive(Debug, Default, Serialize)]
struct Row {
    /// What varies: `width`, `batch`, `layers` or `task`.
    axis: &'static str,
    value: usize,
    parameters: Option<usize>,
    update_ms: Option<f64>,
    measurement_ms: Option<f64>,
    resident_mib: Option<f64>,
}

/// A multiple of every batch size, so that no minibatch is short.
const IMAGES: usize = 4096;
/// Tasks of the run whose memory is watched.
const TASKS: usize = 200;

/// Prints the rows as CSV.
pub(crate) fn scaling() -> Result<()> {
    tch::set_num_threads(1);
    let set = digits()?;
    let mut writer = csv::Writer::from_writer(std::io::stdout());
    // First, while nothing large has been allocated yet.
    for row in memory(&set)? {
        writer.serialize(row)?;
    }
    let reference = || Setting { images: IMAGES, interval: 5, ..Setting::default() };
    let widths = [64, 128, 256, 512, 1024, 2048].map(|width| ("width", width, vec![width; 2], 256));
    let batches = [16, 32, 64, 128, 256, 512, 1024].map(|batch| ("batch", batch, vec![256; 2], batch));
    let depths = [2, 3, 4, 6, 8].map(|layers| ("layers", layers, vec![256; layers], 256));
    for (axis, value, hidden, batch) in widths.into_iter().chain(batches).chain(depths) {
        let updates = cost(&Setting { hidden: hidden.clone(), batch, ..reference() }, &set)?;
        writer.serialize(Row {
            axis,
            value,
            parameters: Some(parameters(&hidden)),
            update_ms: Some(updates.update()),
            measurement_ms: Some(updates.measurement()),
            ..Row::default()
        })?;
        writer.flush()?;
    }
    Ok(())
}

/// At least five measured updates, and more for two seconds.
fn cost(setting: &Setting, set: &ImageSet) -> Result<Updates> {
    let mut run = run(setting, set)?;
    Updates::until(&mut run, |done| done.counts().0 == 16)?;
    let start = Instant::now();
    Updates::until(&mut run, |done| done.counts().1 >= 5 && start.elapsed().as_secs_f64() > 2.0)
}

fn parameters(hidden: &[usize]) -> usize {
    let widths: Vec<usize> = [784].iter().chain(hidden).chain(&[10]).copied().collect();
    widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
}

/// Resident memory after each task of a run with everything in it: measurements, a controller and the files.
fn memory(set: &ImageSet) -> Result<Vec<Row>> {
    let experiment = json!({
        "data": { "set": set.name, "images": 256 },
        "stream": { "tasks": TASKS, "epochs": 2 },
        "network": { "hidden": [32, 32] },
        "training": { "batch_size": 64 },
        "measure": { "interval": 2, "window": 5, "probe_images": 64 },
        "methods": ["relu"],
        "schedules": ["debiased"],
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "the benchmark of memory", "memory")?;
    let plan = Plan::new(experiment, &ImageFacts::of(set))?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut recorder = Recorder::create(folder.path(), &columns()).context("cannot write to the temporary folder")?;
    let mut run = Run::new(&plan.runs[0], set)?;
    let mut rows = Vec::with_capacity(TASKS);
    while !run.is_over() {
        let advance = run.advance()?;
        recorder.add_controls(&advance.controls)?;
        let Some(row) = advance.task else { continue };
        recorder.add_task(&row)?;
        recorder.flush()?;
        rows.push(Row { axis: "task", value: run.tasks(), resident_mib: resident_mib(), ..Row::default() });
    }
    Ok(rows)
}

/// Resident memory of this process, where the system tells it.
fn resident_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"))?;
    Some(kibibytes.trim().parse::<f64>().ok()? / 1024.0)
}
