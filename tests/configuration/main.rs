//! `docs/configuration.md` and `docs/configuration.schema.json` are what the program's types say.

mod reference;
mod schema;

use std::fs;
use std::path::Path;

use reference::reference;
use serde_json::{Value, json};
use trainability::data::ImageShape;
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability_baselines::part::Part;
use trainability_baselines::registry::PARTS;

/// Compares a file with what it should be, or writes it anew if that is asked for.
fn assert_current(name: &str, written: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, written).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(written.lines()).find(|(found, written)| found != written);
    assert!(
        found == written,
        "{name} is not current, first at {differs:?}: UPDATE=1 cargo test --test configuration writes it anew"
    );
}

#[test]
fn the_configuration_reference_is_current() {
    assert_current("docs/configuration.md", &reference());
}

#[test]
fn the_schema_for_editors_is_current() {
    let schema = serde_json::to_string_pretty(&Experiment::schema()).unwrap();
    assert_current("docs/configuration.schema.json", &format!("{schema}\n"));
}

/// What the schema has against an experiment.
fn against(experiment: &Value) -> Vec<String> {
    let schema = Experiment::schema();
    schema::errors(&schema, &schema, experiment, "experiment")
}

#[test]
fn every_experiment_that_comes_with_the_program_is_one_of_the_schema() {
    let mut seen = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let experiment = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(against(&experiment), [""; 0], "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} experiments");
}

/// What the program takes, the schema takes, and it refuses what the program refuses for its names, keys and types.
#[test]
fn the_schema_agrees_with_the_program() {
    let base = json!({
        "$schema": "../docs/configuration.schema.json", "stream": { "tasks": 3, "epochs": 3 }, "methods": ["relu"],
        "schedules": ["constant"], "seeds": 2
    });
    let edits = [
        (true, "", json!(null)),
        (true, "/seeds", json!([0, 4])),
        (true, "/training", json!({ "optimizer": "sgd", "momentum": 0.9 })),
        (true, "/training", json!({ "beta1": 0.9, "precision": "f64" })),
        (true, "/methods", json!(["crelu+wasserstein", { "name": "redo", "label": "mine", "threshold": 0.1 }])),
        (true, "/methods", json!([{ "label": "mine", "parts": ["crelu", { "name": "l2_loss", "coefficient": 0.1 }] }])),
        (true, "/schedules", json!(["paper", { "name": "debiased", "cool": 0.5 }, { "name": "step", "factor": 0.5 }])),
        (true, "/network", json!({ "kind": "convolutional", "channels": [4], "hidden": [] })),
        (true, "/grid", json!({ "training.learning_rate": [0.1, 0.01], "measure.lanczos.products": [5] })),
        (true, "/control", json!({ "limit": "floor_only", "warm_share": null })),
        (false, "/seed", json!(2)),
        (false, "/seeds", json!("0..5")),
        (false, "/seeds", json!([-1])),
        (false, "/stream/task", json!(3)),
        (false, "/stream/tasks", json!("3")),
        (false, "/stream/tasks", json!(-3)),
        (false, "/stream/kind", json!("random")),
        (false, "/training", json!({ "learning_rte": 0.1 })),
        (false, "/training", json!({ "momentum": 0.9 })),
        (false, "/training", json!({ "optimizer": "sgd", "beta1": 0.9 })),
        (false, "/training", json!({ "optimizer": "adm" })),
        (false, "/network", json!({ "hiden": [3] })),
        (false, "/measure", json!({ "lanczos": { "product": 3 } })),
        (false, "/control", json!({ "coool": 0.9 })),
        (false, "/control", json!({ "statistic": "volatilty" })),
        (false, "/methods", json!("relu")),
        (false, "/methods", json!([])),
        (false, "/methods", json!(["rleu"])),
        (false, "/methods", json!(["relu+"])),
        (false, "/methods", json!([{ "name": "l2_loss", "coef": 1 }])),
        (false, "/methods", json!([{ "nme": "l2_loss" }])),
        (false, "/methods", json!([{ "parts": ["relu"], "lable": "a" }])),
        (false, "/schedules", json!(["papr"])),
        (false, "/schedules", json!([{ "name": "constant", "cool": 0.5 }])),
        (false, "/schedules", json!([{ "name": "cosine", "end_facter": 0.5 }])),
        (false, "/grid", json!({ "training.learning_rte": [0.1] })),
        (false, "/grid", json!({ "network.kind": ["mlp"] })),
        (false, "/grid", json!({ "training.learning_rate": 0.1 })),
        (false, "/slurm", json!({ "partion": "x" })),
        (false, "/engine", json!("lokal")),
    ];
    for (expected, place, value) in edits {
        let mut experiment = base.clone();
        if let Some((parent, key)) = place.rsplit_once('/') {
            experiment.pointer_mut(parent).unwrap()[key] = value;
        }
        let program = Experiment::from_value(experiment.clone(), "a.json", "a").and_then(|experiment| {
            Plan::new(experiment, &ImageFacts { shape: SHAPE, ..ImageFacts::bare(5000, "none") })
        });
        assert_eq!(program.is_ok(), expected, "{experiment}: {:?}", program.err());
        let wrong = against(&experiment);
        assert_eq!(wrong.is_empty(), expected, "{experiment}: {wrong:?}");
    }
}

const SHAPE: Option<ImageShape> = Some(ImageShape { channels: 1, rows: 28, columns: 28 });

/// A key without a word of what it means is as good as undocumented.
#[test]
fn every_key_has_a_meaning_and_a_type() {
    let page = reference();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 80, "{} keys", rows.len());
    // The weight decays and the penalties have one each.
    let has_one = |part: &&&Part| part.default_options().get("coefficient").is_some();
    let expected = PARTS.iter().filter(has_one).count();
    assert!(expected >= 7);
    assert_eq!(rows.iter().filter(|row| row.starts_with("| `coefficient`")).count(), expected);
    for row in rows {
        // A bar within a cell is escaped.
        let cells: Vec<String> = row.replace("\\|", "").split('|').map(|cell| cell.trim().to_owned()).collect();
        let [_, _key, kind, default, meaning, _] = &cells[..] else { panic!("{row}") };
        assert!(!kind.is_empty() && !default.is_empty() && meaning.len() > 3, "{row}");
    }
}
