//! What must hold for whatever bytes the readers of a sweep's files are given, one function a file. The tests call them with
//! made-up bytes and with the files in `fuzz/seeds`, the fuzzer with what it finds.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use trainability_record::controls::{LayerSeries, read_traces};
use trainability_record::table::TableError;
use trainability_record::tasks::{field, read_tasks};
use trainability_record::{Glossary, RunRecord, Status};

use crate::evidence::Evidence;
use crate::evidence::against::Against;
use crate::evidence::against::paper::Paper;
use crate::figures_bound::ALSO_READ;
use crate::plot::panels;
use crate::results::{RecordedRun, RecordedSweep, traced_columns};
use crate::selected::Selected;
use crate::series::{Arm, Series};
use crate::views::figures::FIGURES;
use crate::views::{contents, warnings};
use crate::writers::{html, markdown, terminal};

/// A target: its name, which is that of its folder of seeds, and the function.
#[cfg(test)]
pub(crate) type FuzzTarget = (&'static str, fn(&[u8]));

/// All of them.
#[cfg(test)]
pub(crate) const TARGETS: [FuzzTarget; 4] =
    [("tasks", tasks), ("controls", controls), ("run_record", run_record), ("paper", paper)];

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
            runs.push(RecordedRun { seed, ..run(arm.0, arm.1, columns.clone(), CONTROLS) });
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
    if traces(bytes).is_ok() {
        let run = |schedule| run("relu", schedule, read_tasks(Path::new("tasks.csv"), TASKS).unwrap(), bytes);
        report(vec![run("constant"), run("paper")], None);
    }
}

/// `run.json`; or any other JSON, as the content of `sweep.json`.
pub fn run_record(bytes: &[u8]) {
    let columns = || read_tasks(Path::new("tasks.csv"), TASKS).unwrap();
    if let Ok(record) = serde_json::from_slice::<RunRecord>(bytes) {
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
        let with =
            |schedule| RecordedRun { record: Some(record.clone()), ..run("relu", schedule, columns(), CONTROLS) };
        report(vec![with("constant"), with("paper")], None);
    } else if let Ok(provenance) = serde_json::from_slice::<Value>(bytes) {
        let run = |schedule| run("relu", schedule, columns(), CONTROLS);
        report(vec![run("constant"), run("paper")], Some(provenance));
    }
}

/// The file of a paper's numbers, beside two seeds and a run that has not finished.
pub fn paper(bytes: &[u8]) {
    let Ok(paper) = Paper::parse("paper.json", bytes) else { return };
    let options = json!({
        "training": { "learning_rate": 0.001 },
        "stream": { "tasks": 3 },
        "method": { "parts": [{ "name": "crelu", "options": { "match_parameters": false } }] },
        "schedule": { "name": "constant" },
    });
    let runs = (0..3).map(|seed| {
        let mut run = run("crelu", "constant", read_tasks(Path::new("tasks.csv"), TASKS).unwrap(), CONTROLS);
        let status = if seed == 2 { Status::Running } else { Status::Finished };
        let record = RunRecord { status, options: options.clone(), ..finished("crelu", "constant") };
        (run.seed, run.series.seed, run.record) = (seed, seed, Some(record));
        run
    });
    let sweep = RecordedSweep {
        name: "fuzz".to_owned(),
        glossary: Glossary::format2(),
        runs: runs.collect(),
        ..Default::default()
    };
    let mut evidence = Evidence::of(Selected { sweep, ..Selected::default() });
    evidence.against = Against::of(paper, &evidence.sweep, 0).ok();
    written(&evidence);
}

/// The traces that a report reads.
fn traces(bytes: &[u8]) -> Result<Vec<LayerSeries>, TableError> {
    read_traces(Path::new("controls.csv"), bytes, &traced_columns(&Glossary::format2()), &ALSO_READ)
}

/// Everything that a report computes and writes, but for the pixels.
fn report(runs: Vec<RecordedRun>, provenance: Option<Value>) {
    let sweep = RecordedSweep { name: "fuzz".to_owned(), provenance, glossary: Glossary::format2(), runs };
    written(&Evidence::of(Selected { sweep, ..Selected::default() }));
}

/// Everything that is written of the evidence, but for the pixels.
fn written(evidence: &Evidence) {
    let (warnings, tables) = (warnings::all(evidence), contents::tables(evidence, &[]));
    let mut printed = Vec::new();
    tables.iter().for_each(|table| terminal::table(&mut printed, table).unwrap());
    terminal::list(&mut printed, "Warnings", &warnings).unwrap();
    let document = contents::document(evidence, &warnings, tables, &[]);
    let texts = [String::from_utf8(printed).unwrap(), markdown::render(&document, "."), html::render(&document)];
    for text in texts {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.contains('\u{202e}'));
    }
    for drawing in FIGURES.iter().flat_map(|figure| (figure.draw)(evidence)) {
        panels::height(&drawing.plot);
        for axis in drawing.plot.panels.iter().flat_map(|panel| [&panel.x, &panel.y]) {
            assert!(axis.ticks(10).len() <= 200, "{axis:?}");
        }
    }
}

/// A finished run with these columns and the bytes of this `controls.csv`.
fn run(method: &str, schedule: &str, columns: BTreeMap<String, Vec<Option<f64>>>, controls: &[u8]) -> RecordedRun {
    let arm = Arm { method: method.to_owned(), schedule: schedule.to_owned() };
    RecordedRun {
        folder: Path::new("runs").join(method).join(schedule).join("seed-0"),
        arm: arm.clone(),
        seed: 0,
        record: Some(finished(method, schedule)),
        damage: None,
        series: Series { arm, seed: 0, columns: columns.into() },
        traces: traces(controls).unwrap(),
    }
}

/// The record of a finished run.
fn finished(method: &str, schedule: &str) -> RunRecord {
    RunRecord {
        status: Status::Finished,
        updates: 6,
        tasks: 3,
        seconds: BTreeMap::from([("total".to_owned(), 1.5)]),
        ..RunRecord::begun("none", method, schedule, 0, json!({}))
    }
}

/// Three tasks with two indicators.
pub(crate) const TASKS: &[u8] = b"task,online_accuracy,rho,sharpness\n0,0.9,0,1.5\n1,0.5,0.25,inf\n2,0.125,1,\n";

/// Two measured updates of two layers.
pub(crate) const CONTROLS: &[u8] = b"\
task,update,layer,learning_rate,effective_step,gradient_sq_norm,noise_variance,sharpness,sharpness_min,sharpness_residual,\
normalized_sharpness,sharpness_mean,volatility,noise_bound,noise_bound_debiased,volatility_bound,level_bound,\
combined_bound,action
0,1,fc1,0.001,0.5,1,2,3,-1,0.01,0.5,,,2,0,,,1.5,held
0,1,fc2,0.001,2.5,1,2,3,-1,0.01,0.5,,,2,0,,,1.5,cooled
1,3,fc1,0.001,0.75,1,2,3,-1,0.01,0.5,0.5,0,inf,0,inf,2,inf,held
1,3,fc2,0.00099,1e-300,1,2,3,-1,0.01,0.5,0.5,0,2,0,4,2,5e-324,held
";
