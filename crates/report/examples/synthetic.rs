//! A results folder of runs that nobody trained, to see how a report grows with them:
//!
//! ```text
//! cargo run --release -p trainability-report --example synthetic -- FOLDER RUNS [TASKS] [SEEDS]
//! ```
//!
//! The files are those of a sweep, by the trainer's own writers, checksums included, as many rows as in the small
//! reference: 25 measured updates of three layers a task. What stands in them is drawn: networks that lose
//! trainability at a pace of their method and seed, indicators that go with it in most methods, step sizes above and
//! below their bounds. Each method has a constant rate, three others, six further schedules, and a ceiling of fresh networks
//! at each constant rate. The same arguments give the same bytes.

use std::error::Error;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainability_record::controls::{ControlRow, control_columns};
use trainability_record::digest::write_json;
use trainability_record::glossary::Level;
use trainability_record::recorder::Columns;
use trainability_record::tasks::field;
use trainability_record::{Glossary, LayerEvents, Recorder, RunRecord, Status};

const FAMILIES: [&str; 12] = [
    "relu",
    "crelu",
    "l2_adam",
    "wasserstein",
    "layer_norm",
    "l2_loss",
    "redo",
    "shrink_perturb",
    "spectral",
    "tanh",
    "leaky_relu",
    "continual_backprop",
];
const LAYERS: [&str; 3] = ["fc1", "fc2", "fc3"];
/// Measured updates a task, and updates from one to the next.
const MEASURED: usize = 25;
const INTERVAL: usize = 10;
const BASE_RATE: f64 = 0.003;
const BATCH: f64 = 64.0;

/// Columns of `tasks.csv` beside the indicators.
const OUTCOMES: [&str; 4] = ["task", "updates", "final_accuracy", "final_loss"];
/// Columns of `controls.csv` between the fixed ones.
const STATISTICS: [&str; 14] = [
    "effective_step",
    "gradient_sq_norm",
    "noise_variance",
    "sharpness",
    "sharpness_min",
    "sharpness_residual",
    "normalized_sharpness",
    "sharpness_mean",
    "volatility",
    "noise_bound",
    "noise_bound_debiased",
    "volatility_bound",
    "level_bound",
    "combined_bound",
];

/// A schedule: label, options, whether it takes decisions, and how much health it keeps.
struct Course {
    label: &'static str,
    options: Value,
    scheduled: bool,
    help: f64,
}

fn courses() -> Vec<Course> {
    let constant = |label, rate: f64, help| {
        let options = json!({ "name": "constant", "learning_rate": rate });
        Course { label, options, scheduled: false, help }
    };
    let reacts = |label, name: &str, limit: &str, help| {
        let options = json!({ "name": name, "limit": limit, "safety": 0.8, "cool": 0.95, "warm": 1.01 });
        Course { label, options, scheduled: true, help }
    };
    let decays = |label, help| Course { label, options: json!({ "name": label }), scheduled: false, help };
    vec![
        constant("constant", BASE_RATE, 0.0),
        constant("constant-learning_rate=0.0003", 0.0003, 0.3),
        constant("constant-learning_rate=0.001", 0.001, 0.15),
        constant("constant-learning_rate=0.01", 0.01, -0.1),
        reacts("paper", "paper", "combined", 0.12),
        reacts("paper-limit=noise", "paper", "noise", 0.1),
        reacts("as_run", "as_run", "combined", 0.2),
        reacts("debiased", "debiased", "combined", 0.15),
        reacts("floor_only", "floor_only", "floor_only", 0.05),
        decays("linear", 0.22),
        decays("cosine", 0.2),
    ]
}

/// One run that is to be made up.
struct MadeUpRun<'c> {
    /// The number of its method, near copies of a family being told apart by a coefficient.
    method: usize,
    /// Whether its networks are fresh at every task.
    fresh: bool,
    course: &'c Course,
    seed: u64,
}

impl MadeUpRun<'_> {
    fn family(&self) -> &'static str {
        FAMILIES[self.method % FAMILIES.len()]
    }

    /// The coefficient of methods after the first of their family.
    fn coefficient(&self) -> Option<f64> {
        let copy = self.method / FAMILIES.len();
        (copy > 0).then_some(0.001 * copy as f64)
    }

    fn label(&self) -> String {
        let own = match self.coefficient() {
            Some(coefficient) => format!("{}-coefficient={coefficient}", self.family()),
            None => self.family().to_owned(),
        };
        match (self.fresh, &*own) {
            (true, "relu") => "reset".to_owned(),
            (true, own) => format!("reset+{own}"),
            (false, own) => own.to_owned(),
        }
    }

    fn options(&self, tasks: usize) -> Value {
        let own = json!({ "name": self.family(), "options": { "coefficient": self.coefficient() } });
        let fresh = self.fresh.then(|| json!({ "name": "reset", "options": {} }));
        json!({
            "format": 2,
            "data": { "set": "mnist-5k", "images": 320, "checksum": "0".repeat(64) },
            "stream": { "kind": "random_labels", "tasks": tasks, "epochs": 50 },
            "network": { "hidden": [64, 64] },
            "training": { "batch_size": BATCH, "learning_rate": BASE_RATE, "beta1": 0.9, "beta2": 0.999, "precision": "f32" },
            "measure": { "interval": INTERVAL, "window": 30, "effective_step": "rms", "sharpness_scale": "layer" },
            "method": { "parts": fresh.into_iter().chain([own]).collect::<Vec<_>>() },
            "schedule": self.course.options,
            "seed": self.seed,
        })
    }

    /// The health of each task, and of one more: it falls to a floor of the method, at a pace of method and seed.
    fn health(&self, tasks: usize) -> Vec<f64> {
        let mut of_seed = ChaCha8Rng::seed_from_u64(self.seed + 1000 * self.method as u64);
        let (floor, pace) = (0.2 + 0.1 * (self.method % 6) as f64, 0.05 + 0.3 * of_seed.random::<f64>());
        let floor = if self.fresh { 1.0 } else { (floor + self.course.help).clamp(0.0, 1.0) };
        (0..=tasks).map(|task| floor + (1.0 - floor) * (-pace * task as f64).exp()).collect()
    }

    /// A generator of its own.
    fn generator(&self) -> ChaCha8Rng {
        let name = format!("{} {} {}", self.label(), self.course.label, self.seed);
        ChaCha8Rng::from_seed(Sha256::digest(name).into())
    }

    fn write(&self, folder: &Path, tasks: usize, glossary: &Glossary) -> Result<(), Box<dyn Error + Send + Sync>> {
        let (method, schedule) = (self.label(), self.course.label);
        let place = folder.join("runs").join(&method).join(schedule).join(format!("seed-{}", self.seed));
        let options = self.options(tasks);
        let hash = hex(&Sha256::digest(options.to_string()));
        let mut record = RunRecord::begun(&hash, &method, schedule, self.seed, options);
        let names: Vec<&'static str> = glossary.indicators.iter().map(|known| column(&known.name)).collect();
        let columns = Columns {
            tasks: OUTCOMES.into_iter().chain(names.clone()).collect(),
            controls: control_columns(STATISTICS),
        };
        let mut recorder = Recorder::create(&place, &columns)?;
        let (mut random, health) = (self.generator(), self.health(tasks));
        let mut layers = LAYERS.map(|layer| LayerEvents { layer: layer.to_owned(), ..LayerEvents::default() });
        let mut rates = [self.course.options["learning_rate"].as_f64().unwrap_or(BASE_RATE); LAYERS.len()];
        for task in 0..tasks {
            for measured in task * MEASURED..(task + 1) * MEASURED {
                let time = measured as f64 / (tasks * MEASURED) as f64;
                let mut rows = Vec::new();
                for (depth, (rate, events)) in rates.iter_mut().zip(&mut layers).enumerate() {
                    if let Some(share) = decay(schedule, time) {
                        *rate = BASE_RATE * share;
                    }
                    let row = control_row(&mut random, (task, measured), depth, *rate, health[task]);
                    rows.push(self.decided(row, rate, events));
                }
                recorder.add_controls(&rows)?;
            }
            let cell = |name: &&'static str| {
                let text = match *name {
                    "task" => task.to_string(),
                    "updates" => ((task + 1) * MEASURED * INTERVAL).to_string(),
                    name => field(self.value(name, task, &health, &mut random)),
                };
                (*name, text)
            };
            recorder.add_task(&columns.tasks.iter().map(cell).collect())?;
            recorder.flush()?;
        }
        record.checksums = recorder.finish()?.into_iter().collect();
        record.status = Status::Finished;
        (record.tasks, record.updates) = (tasks, (tasks * MEASURED * INTERVAL) as u64);
        record.scheduled = self.course.scheduled;
        record.events = if record.scheduled { layers.to_vec() } else { Vec::new() };
        let parts = [("forward_backward", 1.8), ("curvature", 1.3), ("indicators", 0.6), ("total", 4.5)];
        record.seconds = parts.map(|(part, seconds)| (part.to_owned(), seconds + random.random::<f64>())).into();
        record.write(&place)?;
        Ok(())
    }

    /// What a schedule that takes decisions makes of a row: above its bound a step is cooled, far below it is warmed.
    fn decided(&self, mut row: ControlRow, rate: &mut f64, events: &mut LayerEvents) -> ControlRow {
        if !self.course.scheduled {
            return row;
        }
        let over =
            row.value("effective_step").zip(row.value("combined_bound")).map_or(0.0, |(step, bound)| step / bound);
        let (action, factor, count) = match over {
            1.0.. => ("cooled", 0.95, &mut events.cooled),
            0.05.. => ("held", 1.0, &mut events.held),
            _ => ("warmed", 1.01, &mut events.warmed),
        };
        *count += 1;
        *rate *= factor;
        row.action = action.to_owned();
        row
    }

    /// A task's value under a column: an indicator tells of the health of the next task, in a few methods upside down.
    fn value(&self, name: &str, task: usize, health: &[f64], random: &mut ChaCha8Rng) -> Option<f64> {
        let mut noise = |size: f64| size * (2.0 * random.random::<f64>() - 1.0);
        let accuracy = |noise: f64| (0.1 + 0.85 * health[task] + noise).clamp(0.0, 1.0);
        let loss = 1.0 - health[task + 1];
        Some(match name {
            "task_age" => (task + 1) as f64,
            "online_accuracy" => accuracy(noise(0.02)),
            "final_accuracy" => accuracy(0.05),
            "final_loss" => 2.3 * (1.0 - health[task]) + noise(0.001).abs(),
            "rho" => (loss + noise(0.1)).clamp(0.0, 1.0),
            "hessian_spectral_rank" => return None,
            "stable_rank" => (100.0 * (1.2 - loss + noise(0.2))).round() / 2.0,
            "step_over_noise_bound_debiased" if noise(1.0) > 0.0 => f64::INFINITY,
            _ => {
                let is_upside_down = (name.len() + self.method).is_multiple_of(7);
                let sign = if is_upside_down { -1.0 } else { 1.0 };
                name.len() as f64 * (1.0 + 0.6 * sign * loss + noise(0.3))
            }
        })
    }
}

/// The share of its first rate that a decay has left.
fn decay(schedule: &str, time: f64) -> Option<f64> {
    match schedule {
        "linear" => Some(1.0 - time),
        "cosine" => Some(0.5 * (1.0 + (std::f64::consts::PI * time).cos())),
        _ => None,
    }
}

/// A measured update of a layer, before anything is decided: bounds fall with health.
fn control_row(
    random: &mut ChaCha8Rng,
    (task, measured): (usize, usize),
    depth: usize,
    rate: f64,
    health: f64,
) -> ControlRow {
    let mut spread = |middle: f64, decades: f64| middle * 10f64.powf(decades * (2.0 * random.random::<f64>() - 1.0));
    let step = spread(70.0 * rate * (depth + 1) as f64, 0.2);
    let (gradient, noise_variance, sharpness) = (spread(6.0, 0.3), spread(300.0, 0.2), spread(20.0, 0.3));
    let noise = BATCH * gradient / noise_variance * (0.1 + health);
    let (volatility, is_first) = (spread(0.2, 1.0), measured == 0);
    let values = [
        step,
        gradient,
        noise_variance,
        sharpness,
        -spread(0.1, 1.0),
        spread(1e-3, 0.5),
        sharpness / 6.0,
        sharpness / 6.0,
        if is_first { 0.0 } else { volatility },
        noise,
        (noise - 1.0).max(0.0),
        if is_first { f64::INFINITY } else { 0.5 / volatility },
        2.0 / (sharpness / 6.0),
        1.0 / (1.0 / noise + sharpness / 6.0 / BATCH),
    ];
    ControlRow {
        task,
        update: (measured * INTERVAL + 1) as u64,
        layer: LAYERS[depth].to_owned(),
        learning_rate: rate,
        values: STATISTICS.into_iter().map(Into::into).zip(values.map(Some)).collect(),
        action: String::new(),
    }
}

/// Names of columns live as long as the program, as those of the trainer's registry do.
fn column(name: &str) -> &'static str {
    const KNOWN: [&str; 27] = [
        "hessian_rank",
        "hessian_spectral_rank",
        "sharpness",
        "weight_norm",
        "weight_norm_l2",
        "gradient_norm",
        "gradient_confidence",
        "update_norm",
        "update_to_weight",
        "unit_sign_entropy",
        "dead_units",
        "effective_rank",
        "stable_rank",
        "effective_step",
        "noise_bound",
        "noise_bound_debiased",
        "volatility_bound",
        "level_bound",
        "combined_bound",
        "step_over_noise_bound",
        "step_over_noise_bound_debiased",
        "step_over_volatility_bound",
        "step_over_level_bound",
        "step_over_combined_bound",
        "rho",
        "task_age",
        "online_accuracy",
    ];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("unknown")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The words of a sweep, with what theory says of some indicators.
fn glossary() -> Glossary {
    let mut glossary = Glossary::format2();
    for indicator in &mut glossary.indicators {
        indicator.loss_follows = match &*indicator.name {
            "hessian_rank" | "effective_rank" | "stable_rank" | "unit_sign_entropy" => Some(Level::Low),
            "sharpness" | "weight_norm" | "dead_units" | "rho" => Some(Level::High),
            _ => None,
        };
    }
    glossary
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize| arguments.get(place).map(|text| text.parse::<usize>()).transpose();
    let (Some(folder), Some(runs)) = (arguments.first().map(Path::new), number(1)?) else {
        return Err("expected FOLDER RUNS [TASKS] [SEEDS]".into());
    };
    let tasks = number(2)?.unwrap_or(20);
    // Larger sweeps have more seeds up to twenty, and then more methods.
    let seeds = number(3)?.unwrap_or((runs / 100).clamp(5, 20)) as u64;
    let courses = courses();
    let fresh = courses.iter().filter(|course| course.options["name"] == "constant");
    let arms: Vec<(bool, &Course)> =
        courses.iter().map(|course| (false, course)).chain(fresh.map(|course| (true, course))).collect();
    let all = (0..).flat_map(|method| {
        let of_arm = move |&(fresh, course)| (0..seeds).map(move |seed| MadeUpRun { method, fresh, course, seed });
        arms.iter().flat_map(of_arm)
    });
    let made_up: Vec<MadeUpRun<'_>> = all.take(runs).collect();
    let glossary = glossary();
    made_up.par_iter().try_for_each(|run| run.write(folder, tasks, &glossary))?;

    let mut methods = Vec::new();
    made_up.iter().map(MadeUpRun::label).for_each(|label| {
        if !methods.contains(&label) {
            methods.push(label);
        }
    });
    let schedules: Vec<&str> = courses.iter().map(|course| course.label).collect();
    let sweep = json!({
        "name": "synthetic",
        "about": "Runs that nobody trained.",
        "experiment": { "methods": methods, "schedules": schedules, "seeds": [seeds], "grid": {}, "stream": { "tasks": tasks } },
        "runs": runs,
        "classes": 10,
        "program": env!("CARGO_PKG_VERSION"),
        "glossary": glossary,
    });
    write_json(&folder.join("sweep.json"), &sweep)?;
    println!("{runs} runs of {tasks} tasks, {seeds} seeds, are in {}", folder.display());
    Ok(())
}
