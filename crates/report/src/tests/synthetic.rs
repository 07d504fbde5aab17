//! Synthetic sweeps for the tests of the report: what is planted is known.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use trainability_record::controls::{ControlRow, control_columns};
use trainability_record::glossary::DescribedIndicator;
use trainability_record::text::sentence;
use trainability_record::{Glossary, LayerEvents, RunRecord, Status, read_record};

use crate::results::RecordedRun;
use crate::series::{Arm, Series};
use crate::{Format, ReportError, ReportFiles, Request, write_request};

pub(super) const METHODS: [&str; 5] = ["relu", "crelu", "l2_adam", "l2_loss", "wasserstein"];
pub(super) const SCHEDULES: [&str; 4] = ["constant", "paper", "as_run", "debiased"];
pub(super) const LAYERS: [&str; 3] = ["fc1", "fc2", "fc3"];

/// Statistics and bounds of a layer.
pub(super) const VALUES: [&str; 14] = [
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

/// The shape of a synthetic sweep.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) methods: Vec<String>,
    pub(super) seeds: u64,
    pub(super) tasks: usize,
    pub(super) events: usize,
}

impl Plan {
    pub(super) fn small() -> Self {
        Self { methods: METHODS.map(String::from).to_vec(), seeds: 3, tasks: 6, events: 8 }
    }
}

/// Writes a sweep folder in which relu loses trainability, schedules help a little, and `paper` never fires on relu.
pub(super) fn write_sweep(folder: &Path, plan: &Plan) {
    for method in &plan.methods {
        for (place, schedule) in SCHEDULES.iter().enumerate() {
            for seed in 0..plan.seeds {
                write_run(folder, plan, method, schedule, place as f64 * 0.04, seed);
            }
        }
    }
    (0..plan.seeds).for_each(|seed| write_run(folder, plan, "reset", "constant", 0.0, seed));
    let sweep = json!({
        "experiment": {"methods": plan.methods, "schedules": SCHEDULES, "stream": {"tasks": plan.tasks}},
        "classes": 10,
        "git": {"commit": "0123abc", "dirty": false},
        "libtorch": "2.13.0",
    });
    fs::write(folder.join("sweep.json"), serde_json::to_vec_pretty(&sweep).unwrap()).unwrap();
}

pub(super) fn run_folder(folder: &Path, method: &str, schedule: &str, seed: u64) -> PathBuf {
    folder.join("runs").join(method).join(schedule).join(format!("seed-{seed}"))
}

pub(super) fn fires(method: &str, schedule: &str) -> bool {
    schedule != "constant" && (method, schedule) != ("relu", "paper")
}

pub(super) fn record(method: &str, schedule: &str, seed: u64, plan: &Plan) -> RunRecord {
    let count = |layer: &str| {
        let all = (plan.tasks * plan.events) as u64;
        let cooled = if fires(method, schedule) { all / 4 } else { 0 };
        LayerEvents { layer: layer.into(), cooled, warmed: cooled / 8, held: all - cooled - cooled / 8, undefined: 0 }
    };
    let scheduled = schedule != "constant";
    let options = json!({"stream": {"kind": "random_labels"}, "optimizer": {"learning_rate": 1e-3}});
    RunRecord {
        status: Status::Finished,
        updates: (plan.tasks * plan.events * 10) as u64,
        tasks: plan.tasks,
        seconds: BTreeMap::from([
            ("training".into(), 14.0 + method.len() as f64),
            ("gradient_noise".into(), 3.5),
            ("curvature".into(), 9.0),
            ("indicators".into(), 2.0),
            ("total".into(), 30.0 + method.len() as f64),
        ]),
        events: if scheduled { LAYERS.iter().map(|layer| count(layer)).collect() } else { Vec::new() },
        scheduled,
        ..RunRecord::begun(&format!("{method}-{schedule}-{seed}"), method, schedule, seed, options)
    }
}

pub(super) fn write_run(folder: &Path, plan: &Plan, method: &str, schedule: &str, help: f64, seed: u64) {
    let place = run_folder(folder, method, schedule, seed);
    fs::create_dir_all(&place).unwrap();
    let record = record(method, schedule, seed, plan);
    record.write(&place).unwrap();
    // A schedule that never fired leaves the very same run as its control.
    let help = if fires(method, schedule) { help } else { 0.0 };
    let salt = if help > 0.0 { schedule.len() as u64 } else { 0 };
    let mut random = ChaCha8Rng::seed_from_u64(seed + 1000 * salt + 7 * method.len() as u64);
    write_tasks(&place, plan, method, help, &mut random);
    write_controls(&place, plan, method, schedule, &mut random);
}

/// Accuracy of a task: the shapes of the real thing, roughly.
pub(super) fn accuracy(method: &str, task: f64, help: f64, noise: f64) -> f64 {
    let (start, floor, rate) = match method {
        "relu" => (0.86, 0.11, 0.32),
        "crelu" => (0.93, 0.7, 0.05),
        "l2_adam" => (0.84, 0.62, 0.15),
        "wasserstein" => (0.8, 0.55, 0.2),
        "reset" => (0.86, 0.86, 0.0),
        _ => (0.85, 0.3, 0.2),
    };
    let lost = 1.0 - (-rate * task).exp();
    (start - (start - floor) * lost + help * lost + 0.02 * noise).clamp(0.05, 0.99)
}

pub(super) fn write_tasks(place: &Path, plan: &Plan, method: &str, help: f64, random: &mut ChaCha8Rng) {
    let glossary = Glossary::format2();
    let names: Vec<&str> = glossary.indicators.iter().map(|indicator| indicator.name.as_str()).collect();
    let fixed = ["task", "updates", "final_accuracy", "final_loss"];
    let mut writer = csv::Writer::from_path(place.join("tasks.csv")).unwrap();
    writer.write_record(fixed.iter().chain(&names)).unwrap();
    for task in 0..plan.tasks {
        let noise = |random: &mut ChaCha8Rng| random.random_range(-1.0..1.0);
        let reached = accuracy(method, task as f64, help, noise(random));
        let mut row = vec![task.to_string(), ((task + 1) * plan.events * 10).to_string()];
        row.extend([format!("{}", (reached + 0.05).min(1.0)), format!("{}", 2.3 * (1.0 - reached))]);
        for name in &names {
            let next = accuracy(method, task as f64 + 1.0, help, 0.0);
            let value = match *name {
                "online_accuracy" => reached,
                "task_age" => task as f64,
                "rho" => (1.0 - next + 0.05 * noise(random)).clamp(0.0, 1.0),
                "weight_norm" => 0.02 + 0.004 * task as f64 + 0.001 * noise(random),
                "unit_sign_entropy" => 0.65 * next + 0.05 * noise(random),
                "sharpness" => 10f64.powf(1.0 + 2.0 * noise(random)),
                // An indicator that is not there: the report has to say so.
                "effective_rank" if task == 1 => f64::NAN,
                other => (1.0 + other.len() as f64 * 0.1) * (2.0 - next + 0.3 * noise(random)),
            };
            row.push(if value.is_nan() { String::new() } else { format!("{value}") });
        }
        writer.write_record(&row).unwrap();
    }
    writer.flush().unwrap();
}

pub(super) fn write_controls(place: &Path, plan: &Plan, method: &str, schedule: &str, random: &mut ChaCha8Rng) {
    let mut writer = csv::Writer::from_path(place.join("controls.csv")).unwrap();
    writer.write_record(control_columns(VALUES)).unwrap();
    let mut rates = [1e-3; 3];
    for event in 0..plan.tasks * plan.events {
        for (depth, layer) in LAYERS.iter().enumerate() {
            let mut spread = |middle: f64, decades: f64| middle * 10f64.powf(decades * random.random_range(-1.0..1.0));
            let step = spread(rates[depth] * 400.0 * (depth as f64 + 1.0), 0.4);
            let noise = spread(1.4 + 3.0 * (-(event as f64) / 60.0).exp(), 0.3);
            let debiased = (noise - 1.0).max(0.0);
            let volatility = spread(20.0, 2.5);
            let cooled = fires(method, schedule) && step > 0.8 * noise;
            let row = ControlRow {
                task: event / plan.events,
                update: (event as u64 + 1) * 10,
                layer: (*layer).into(),
                learning_rate: rates[depth],
                values: VALUES
                    .into_iter()
                    .map(Into::into)
                    .zip([
                        Some(step),
                        Some(spread(0.01, 0.5)),
                        Some(spread(2.0, 0.5)),
                        Some(spread(5.0, 0.5)),
                        Some(-0.2),
                        Some(0.01),
                        Some(spread(1.0, 0.5)),
                        (event > 0).then_some(1.0),
                        (event > 0).then_some(1.0 / volatility),
                        Some(noise),
                        Some(debiased),
                        (event > 0).then_some(volatility),
                        (event > 0).then_some(spread(3.0, 1.0)),
                        Some(1.0 / (1.0 / noise + 1.0 / (256.0 * volatility))),
                    ])
                    .collect(),
                action: if schedule == "constant" {
                    ""
                } else if cooled {
                    "cooled"
                } else {
                    "held"
                }
                .into(),
            };
            writer.serialize(&row).unwrap();
            if cooled {
                rates[depth] *= if schedule == "as_run" { 0.98 } else { 0.99 };
            }
        }
    }
    writer.flush().unwrap();
}

/// An indicator that is called after its column.
pub(super) fn indicator(name: &str, role: &str) -> DescribedIndicator {
    let role = serde_json::from_value(role.into()).unwrap();
    DescribedIndicator { name: name.to_owned(), title: name.to_owned(), role, loss_follows: None, text: String::new() }
}

/// A finished run of one task with these options.
pub(crate) fn run(method: &str, schedule: &str, seed: u64, options: Value) -> RecordedRun {
    let record = json!({
        "status": "finished", "configuration_hash": "", "method": method, "schedule": schedule, "seed": seed,
        "options": options, "updates": 1, "tasks": 1, "seconds": {}, "events": [], "scheduled": false,
        "diverged_at_task": null, "error": null, "checksums": {}
    });
    let arm = Arm { method: method.to_owned(), schedule: schedule.to_owned() };
    let columns = BTreeMap::from([("online_accuracy".to_owned(), vec![Some(0.5)])]);
    RecordedRun {
        folder: Default::default(),
        arm: arm.clone(),
        seed,
        record: Some(serde_json::from_value(record).unwrap()),
        damage: None,
        series: Series { arm, seed, columns: columns.into() },
        traces: Vec::new(),
    }
}

/// Options of one part and so many epochs.
pub(crate) fn options(part: &str, epochs: u64) -> Value {
    json!({
        "stream": { "epochs": epochs },
        "measure": { "interval": epochs },
        "method": { "parts": [{ "name": part, "options": {} }] },
        "schedule": { "name": "constant", "bounds": { "noise": "plug_in" } }
    })
}

/// Reports on a whole sweep into its own folder.
pub(super) fn write(
    results: &Path,
    plots: &Path,
    format: Format,
    out: &mut dyn Write,
) -> Result<ReportFiles, ReportError> {
    write_request(&request(results, plots, format), out)
}

fn request(results: &Path, plots: &Path, format: Format) -> Request {
    Request {
        results: vec![results.to_owned()],
        out: results.to_owned(),
        plots: plots.to_owned(),
        format,
        filters: Vec::new(),
        group_by: None,
        against: None,
    }
}

/// A folder with a sweep in `results/quick`, and the report's terminal output and files.
pub(super) struct Workplace {
    pub(super) folder: tempfile::TempDir,
}

impl Workplace {
    pub(super) fn new(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("results/quick")).unwrap();
        write_sweep(&folder.path().join("results/quick"), plan);
        Self { folder }
    }

    pub(super) fn results(&self) -> PathBuf {
        self.folder.path().join("results/quick")
    }

    pub(super) fn plots(&self) -> PathBuf {
        self.folder.path().join("plots/quick")
    }

    pub(super) fn report(&self) -> (Result<ReportFiles, ReportError>, String) {
        self.report_with(|_| {})
    }

    /// A report that was asked for with more than the sweep's name.
    pub(super) fn report_with(&self, ask: impl FnOnce(&mut Request)) -> (Result<ReportFiles, ReportError>, String) {
        let mut terminal = Vec::new();
        let mut request = request(&self.results(), &self.plots(), Format::Terminal);
        ask(&mut request);
        let files = write_request(&request, &mut terminal);
        (files, String::from_utf8(terminal).unwrap())
    }

    /// What a run leaves that was stopped after so many tasks, with the begin of a row that it was writing.
    pub(super) fn interrupt(&self, (method, schedule, seed): (&str, &str, u64), tasks: usize) {
        self.edit_record(method, schedule, seed, |record| {
            (record.status, record.tasks) = (Status::Running, tasks.saturating_sub(1));
            record.options["stream"]["tasks"] = 6.into();
        });
        let folder = run_folder(&self.results(), method, schedule, seed);
        for name in ["tasks.csv", "controls.csv"] {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            let is_done =
                |line: &&str| line.split(',').next().unwrap().parse::<usize>().is_ok_and(|task| task >= tasks);
            let mut kept: String =
                text.lines().take_while(|line| !is_done(line)).flat_map(|line| [line, "\n"]).collect();
            let next = text.lines().find(is_done).unwrap_or_default();
            kept.push_str(&next[..next.len() / 2]);
            fs::write(folder.join(format!("{name}.partial")), kept).unwrap();
            fs::remove_file(folder.join(name)).unwrap();
        }
    }

    pub(super) fn edit_record(&self, method: &str, schedule: &str, seed: u64, edit: impl FnOnce(&mut RunRecord)) {
        let folder = run_folder(&self.results(), method, schedule, seed);
        let mut record = read_record(&folder).unwrap().unwrap();
        edit(&mut record);
        record.write(&folder).unwrap();
    }

    pub(super) fn error(&self) -> String {
        sentence(&self.report().0.unwrap_err())
    }
}
