//! What must hold for whatever bytes a reader is given, one function a reader. The tests call them with made-up bytes and
//! with the files in `fuzz/seeds`, the targets in `fuzz/fuzz_targets` with what the fuzzer finds.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use trainability::analysis::{Arm, Series};
use trainability::config::{Experiment, ImageFacts, Plan};
use trainability::data::{Idx, ImageSet, ImageShape};
use trainability::report::evidence::Evidence;
use trainability::report::figures::{FIGURES, panels};
use trainability::report::results::{Run as RunFolder, Sweep, read_tasks};
use trainability::report::{contents, html, markdown, tables, terminal, trace, warnings};
use trainability::train::recorder::field;
use trainability::train::{LayerEvents, Run, RunRecord, Status, checkpoint};
use trainability_baselines::State;

/// A target: its name, which is that of its folder of seeds, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("idx", idx),
    ("cifar", cifar),
    ("checkpoint", checkpoint),
    ("tasks", tasks),
    ("controls", controls),
    ("configuration", configuration),
    ("run_record", run_record),
];

/// An image or label file, plain or gzipped.
pub fn idx(bytes: &[u8]) {
    for dimensions in [1, 3] {
        let Ok(idx) = Idx::read(bytes, dimensions) else { continue };
        assert_eq!(idx.values.len(), idx.dimensions.iter().map(|size| *size as usize).product::<usize>());
        assert_eq!(Idx::read(&idx.encode()[..], dimensions).unwrap(), idx);
    }
}

/// A batch of CIFAR-10.
pub fn cifar(bytes: &[u8]) {
    let Ok(set) = ImageSet::read_cifar_batch("cifar-10", Path::new("batch"), bytes, 10) else { return };
    let pixels = set.images.chunks_exact(3072);
    assert_eq!((set.count, pixels.len(), pixels.remainder().len()), (set.labels.len(), set.count, 0));
    let again: Vec<u8> = set.labels.iter().zip(pixels).flat_map(|(label, p)| [&[*label], p].concat()).collect();
    assert_eq!(again, bytes);
}

/// A checkpoint; or a JSON object, whose values are laid over those of a checkpoint that is whole.
pub fn checkpoint(bytes: &[u8]) {
    let (plan, set) = tiny_run();
    if let Ok(state) = checkpoint::from_bytes(bytes) {
        let written = checkpoint::to_bytes(&state).unwrap();
        let again = checkpoint::from_bytes(&written).unwrap();
        assert_eq!(again.values, state.values);
        assert_eq!(checkpoint::to_bytes(&again).unwrap(), written);
        go_on(&plan, &set, &state);
    }
    if let Ok(Value::Object(values)) = serde_json::from_slice(bytes) {
        let mut state = checkpoint::from_bytes(&tiny_checkpoint()).unwrap();
        state.values.extend(values);
        go_on(&plan, &set, &state);
    }
}

/// Whatever a state holds, restoring it is refused, or the run goes on, to a divergence at worst.
fn go_on(plan: &Plan, set: &ImageSet, state: &State) {
    let mut run = Run::new(&plan.runs[0], set);
    if state.restore_part("run", &mut run).is_err() {
        return;
    }
    for _ in 0..3 {
        if run.is_over() || run.advance().is_err() {
            return;
        }
    }
}

/// The run that checkpoints are restored into, which has a part of every kind.
pub fn tiny_run() -> (Plan, ImageSet) {
    tch::set_num_threads(1);
    let set = ImageSet {
        name: "tiny".to_owned(),
        images: (0..24).map(|pixel| pixel * 10).collect(),
        labels: vec![0, 1, 2, 0, 1, 2],
        count: 6,
        rows: 2,
        columns: 2,
        channels: 1,
        classes: 3,
        checksum: "none".to_owned(),
        test: None,
    };
    let experiment = json!({
        "stream": { "tasks": 3, "epochs": 1 },
        "network": { "hidden": [3] },
        "training": { "batch_size": 4 },
        "measure": { "interval": 1, "window": 3, "probe_images": 4 },
        "methods": ["crelu+wasserstein+reset"],
        "schedules": ["constant"],
        "seeds": 1,
    });
    let experiment = Experiment::from_value(experiment, "tiny.json", "tiny").unwrap();
    let facts = ImageFacts::of(&set);
    (Plan::new(experiment, &facts).unwrap(), set)
}

/// The bytes of its checkpoint in the middle of its second task.
pub fn tiny_checkpoint() -> Vec<u8> {
    let (plan, set) = tiny_run();
    let mut run = Run::new(&plan.runs[0], &set);
    for _ in 0..3 {
        run.advance().unwrap();
    }
    let mut state = State::default();
    state.put_part("run", &run);
    checkpoint::to_bytes(&state).unwrap()
}

/// `tasks.csv`.
pub fn tasks(bytes: &[u8]) {
    let Ok(columns) = read_tasks(Path::new("tasks.csv"), bytes) else { return };
    assert_eq!(read_tasks(Path::new("tasks.csv"), &write_tasks(&columns)[..]).unwrap(), columns);
    // Other seeds have the same tasks in another order, so that there are intervals over seeds.
    let other = |order: fn(&mut [Option<f64>])| {
        let mut columns = columns.clone();
        columns.values_mut().for_each(|column| order(column));
        columns
    };
    let seeds =
        [columns.clone(), other(|column| column.reverse()), other(|column| column.rotate_left(column.len().min(1)))];
    let mut runs = Vec::new();
    for (seed, columns) in (0..).zip(&seeds) {
        for arm in [("relu", "constant"), ("relu", "paper"), ("reset", "constant")] {
            runs.push(RunFolder { seed, ..run(arm.0, arm.1, columns.clone(), CONTROLS) });
            runs.last_mut().unwrap().series.seed = seed;
        }
    }
    runs.sort_by(|one, other| one.arm.cmp(&other.arm));
    report(runs, None);
}

/// The columns as the recorder writes them.
fn write_tasks(columns: &BTreeMap<String, Vec<Option<f64>>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.keys()).unwrap();
    for row in 0..columns.values().next().map_or(0, Vec::len) {
        writer.write_record(columns.values().map(|column| field(column[row]))).unwrap();
    }
    writer.into_inner().unwrap()
}

/// `controls.csv`.
pub fn controls(bytes: &[u8]) {
    if trace::read(Path::new("controls.csv"), bytes).is_ok() {
        let run = |schedule| run("relu", schedule, read_tasks(Path::new("tasks.csv"), TASKS).unwrap(), bytes);
        report(vec![run("constant"), run("paper")], None);
    }
}

/// An experiment file: what is accepted makes a plan, or is refused, and means the same when it is written and read again.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let experiment = match Experiment::parse(text, &[], "fuzz.json", "fuzz") {
        Ok(experiment) => experiment,
        Err(refusal) => {
            assert!(refusal.to_string().contains("fuzz.json"));
            return;
        }
    };
    let written = serde_json::to_value(&experiment).unwrap();
    let again = Experiment::parse(&written.to_string(), &[], "fuzz.json", "other").unwrap();
    assert_eq!(again, experiment);
    let shape = Some(ImageShape { channels: 1, rows: 28, columns: 28 });
    let facts = ImageFacts { shape, ..ImageFacts::bare(60_000, "none") };
    let Ok(plan) = Plan::new(experiment, &facts) else { return };
    let again = Plan::new(again, &facts).unwrap();
    assert_eq!(plan.runs.len(), again.runs.len());
    for (run, again) in plan.runs.iter().zip(&again.runs) {
        assert_eq!((run.name(), &run.hash), (again.name(), &again.hash));
        assert_is_harmless(&run.name());
        assert!(run.updates() > 0);
    }
    for run in plan.runs.iter().take(3) {
        let record = RunRecord { options: run.options.clone(), seed: run.seed, ..finished("relu", "constant") };
        let text = serde_json::to_string_pretty(&record).unwrap();
        let again: RunRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(again, record);
        assert_eq!(again.options.to_string(), run.options.to_string(), "its hash can be formed again");
        run.method.build();
    }
}

/// Three folders below each other that every system can make.
fn assert_is_harmless(name: &str) {
    let parts: Vec<&str> = name.split('/').collect();
    assert!(parts.len() == 3 && parts.iter().all(|part| (1..=80).contains(&part.len())), "{name:?}");
    assert!(parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric())), "{name:?}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-+=@.,/".contains(c)), "{name:?}");
}

/// `run.json`; or any other JSON, as the content of `sweep.json`.
pub fn run_record(bytes: &[u8]) {
    let columns = || read_tasks(Path::new("tasks.csv"), TASKS).unwrap();
    if let Ok(record) = serde_json::from_slice::<RunRecord>(bytes) {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
        let with = |schedule| RunFolder { record: Some(record.clone()), ..run("relu", schedule, columns(), CONTROLS) };
        report(vec![with("constant"), with("paper")], None);
    } else if let Ok(provenance) = serde_json::from_slice::<Value>(bytes) {
        let run = |schedule| run("relu", schedule, columns(), CONTROLS);
        report(vec![run("constant"), run("paper")], Some(provenance));
    }
}

/// Everything that a report computes and writes, but for the pixels.
fn report(runs: Vec<RunFolder>, provenance: Option<Value>) {
    let sweep = Sweep { name: "fuzz".to_owned(), provenance, runs };
    let evidence = Evidence::new(sweep);
    let (warnings, tables) = (warnings::all(&evidence), tables::all(&evidence));
    let mut printed = Vec::new();
    tables.iter().for_each(|table| terminal::table(&mut printed, table).unwrap());
    terminal::list(&mut printed, "Warnings", &warnings).unwrap();
    let document = contents::document(&evidence, &warnings, tables, &[]);
    let texts = [String::from_utf8(printed).unwrap(), markdown::render(&document, "."), html::render(&document)];
    for text in texts {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.contains('\u{202e}'));
    }
    for drawing in FIGURES.iter().flat_map(|figure| (figure.draw)(&evidence)) {
        panels::height(&drawing.plot);
        for axis in drawing.plot.panels.iter().flat_map(|panel| [&panel.x, &panel.y]) {
            assert!(axis.ticks(10).len() <= 200, "{axis:?}");
        }
    }
}

/// A finished run with these columns and the bytes of this `controls.csv`.
fn run(method: &str, schedule: &str, columns: BTreeMap<String, Vec<Option<f64>>>, controls: &[u8]) -> RunFolder {
    let arm = Arm { method: method.to_owned(), schedule: schedule.to_owned() };
    RunFolder {
        folder: Path::new("runs").join(method).join(schedule).join("seed-0"),
        arm: arm.clone(),
        seed: 0,
        record: Some(finished(method, schedule)),
        damage: None,
        series: Series { arm, seed: 0, columns },
        traces: trace::read(Path::new("controls.csv"), controls).unwrap(),
    }
}

/// The record of a run with every field of its own.
pub fn scheduled_record() -> RunRecord {
    let counts = |layer: &str| LayerEvents { layer: layer.to_owned(), cooled: 2, warmed: 1, held: 3, undefined: 1 };
    let seconds = [("curvature", 0.25), ("forward_backward", 1e-3), ("total", 1.5)];
    RunRecord {
        options: tiny_run().0.runs[0].options.clone(),
        events: vec![counts("fc1"), counts("fc2")],
        scheduled: true,
        seconds: seconds.map(|(part, seconds)| (part.to_owned(), seconds)).into(),
        flat_curvature_events: 1,
        unconverged_curvature_events: 2,
        diverged_at_task: Some(2),
        error: Some("the loss is NaN".to_owned()),
        fault: true,
        last_finite_loss: Some(2.25),
        resumptions: 3,
        checksums: BTreeMap::from([("tasks.csv".to_owned(), "00ff".to_owned())]),
        ..finished("relu", "paper")
    }
}

/// The record of a finished run.
pub fn finished(method: &str, schedule: &str) -> RunRecord {
    RunRecord {
        status: Status::Finished,
        configuration_hash: "none".to_owned(),
        method: method.to_owned(),
        schedule: schedule.to_owned(),
        seed: 0,
        options: json!({}),
        updates: 6,
        tasks: 3,
        seconds: BTreeMap::from([("total".to_owned(), 1.5)]),
        events: Vec::new(),
        scheduled: false,
        flat_curvature_events: 0,
        unconverged_curvature_events: 0,
        diverged_at_task: None,
        error: None,
        fault: false,
        last_finite_loss: None,
        resumptions: 0,
        checksums: BTreeMap::new(),
    }
}

/// Three tasks with two indicators.
pub const TASKS: &[u8] = b"task,online_accuracy,rho,sharpness\n0,0.9,0,1.5\n1,0.5,0.25,inf\n2,0.125,1,\n";

/// Two measured updates of two layers.
pub const CONTROLS: &[u8] = b"\
task,update,layer,learning_rate,effective_step,gradient_sq_norm,noise_variance,sharpness,sharpness_min,sharpness_residual,\
normalized_sharpness,sharpness_mean,volatility,noise_bound,noise_bound_debiased,volatility_bound,level_bound,\
combined_bound,action
0,1,fc1,0.001,0.5,1,2,3,-1,0.01,0.5,,,2,0,,,1.5,held
0,1,fc2,0.001,2.5,1,2,3,-1,0.01,0.5,,,2,0,,,1.5,cooled
1,3,fc1,0.001,0.75,1,2,3,-1,0.01,0.5,0.5,0,inf,0,inf,2,inf,held
1,3,fc2,0.00099,1e-300,1,2,3,-1,0.01,0.5,0.5,0,2,0,4,2,5e-324,held
";
