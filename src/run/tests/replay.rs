//! Whole runs at the rates of other runs.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use trainability_record::{ControlRow, TaskRow};

use super::{accuracies, begin, finish, goes_on_with_the_same_bits, images, plans};
use crate::run::{RunPlan, columns};

/// Nine tasks of five updates, the last of which is measured: it is too late for what is decided there to be seen in an
/// accuracy before an update.
fn settings(schedules: Value) -> Value {
    json!({
        "stream": { "tasks": 9, "epochs": 5 },
        "training": { "batch_size": 48, "learning_rate": 0.05 },
        "measure": { "interval": 4, "window": 3, "probe_images": 16 },
        "methods": ["relu", "l2_loss"],
        "schedules": schedules,
        "seeds": 2
    })
}

fn write(path: &Path, rows: &[ControlRow]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_path(path).unwrap();
    writer.write_record(columns().controls).unwrap();
    rows.iter().for_each(|row| writer.serialize(row).unwrap());
    writer.flush().unwrap();
}

/// What a run writes.
type Rows = (Vec<TaskRow>, Vec<ControlRow>);

/// Every run under a controller, whose `controls.csv` is written to METHOD/SEED.csv; and the option that leads there.
fn recorded(folder: &Path) -> (Vec<Rows>, String) {
    let of_run = |plan: RunPlan| {
        let found = finish(&mut begin(&plan, &images()));
        write(&folder.join(format!("{}/{}.csv", plan.method.label, plan.seed)), &found.1);
        found
    };
    let found = plans(settings(json!(["noise_curvature"]))).into_iter().map(of_run).collect();
    (found, folder.join("{method}/{seed}.csv").display().to_string())
}

#[test]
fn a_run_that_replays_its_own_rates_is_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let (recorded, rates) = recorded(folder.path());
    let replays = plans(settings(json!([{ "name": "replay", "rates": rates }])));
    assert_eq!(replays.len(), 4);
    // All accuracies and losses but those after the last update.
    let told = |tasks: &[TaskRow]| {
        let mut told = accuracies(tasks);
        assert_eq!(told.len(), 9 * 5);
        told.truncate(9 * 5 - 2);
        told
    };
    let mut seen = Vec::new();
    for (plan, (tasks, controls)) in replays.iter().zip(&recorded) {
        assert!(controls.last().unwrap().update == 45 && controls.iter().any(|row| row.action == "cooled"));
        let (replayed, rows) = finish(&mut begin(plan, &images()));
        assert_eq!(told(&replayed), told(tasks), "{}", plan.name());
        assert!(rows.iter().all(|row| row.action.is_empty()));
        // Where its rows are written, the decision has been taken: its rate is that of the recorded layer's next row.
        for (row, next) in rows.iter().zip(&controls[3..]) {
            assert_eq!((&row.layer, row.learning_rate), (&next.layer, next.learning_rate));
        }
        seen.push(told(tasks));
    }
    assert!((1..4).all(|run| !seen[..run].contains(&seen[run])), "runs that are alike would show nothing");
    goes_on_with_the_same_bits(&replays[0]);
}

#[test]
fn each_run_has_a_file_of_its_own_and_another_file_makes_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let (_, rates) = recorded(folder.path());
    let schedules = json!([
        { "name": "replay", "rates": rates },
        { "name": "replay", "label": "flat", "rates": rates, "flat": true }
    ]);
    let hashes = || -> Vec<String> { plans(settings(schedules.clone())).into_iter().map(|plan| plan.hash).collect() };
    let before = hashes();
    assert_eq!(before, hashes());
    fs::write(folder.path().join("l2_loss/1.csv"), "update,layer,learning_rate\n1,fc1,1\n1,fc2,1\n1,fc3,1\n").unwrap();
    let after = plans(settings(schedules.clone()));
    for (plan, before) in after.iter().zip(before) {
        assert_eq!(plan.hash != before, plan.method.label == "l2_loss" && plan.seed == 1, "{}", plan.name());
    }
    let flat = &after.iter().find(|plan| plan.schedule == "flat").unwrap().resolved.options;
    assert_eq!((flat["rates"].as_str(), &flat["flat"]), (Some(rates.as_str()), &json!(true)));
    assert_eq!(flat["sha256"].as_str().map(str::len), Some(64));
}
