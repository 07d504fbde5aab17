//! Whole runs under decays, ablations and the scope `network`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use trainability_record::ControlRow;

use crate::data::ImageSet;
use crate::experiment::{Experiment, ImageFacts, Plan};
use crate::run::RunPlan;
use crate::schedule::SCHEDULES;
use crate::testing::runs::{self, begin, finish};
use crate::testing::schedules::rates;

fn images() -> ImageSet {
    runs::images(48, [1, 4, 4], 0)
}

/// The base rate of the runs.
const RATE: f64 = 0.05;

/// A plan a schedule, by the schedule's label.
fn plans(schedules: Value) -> BTreeMap<String, RunPlan> {
    let experiment = json!({
        "stream": { "tasks": 3, "epochs": 12 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 16, "learning_rate": RATE },
        "measure": { "interval": 2, "window": 3, "probe_images": 16 },
        // With beta = 1 the volatility's term is too small to set the combined bound apart from the noise bound.
        "control": { "cool": 0.9, "beta": 50.0 },
        "methods": ["relu"],
        "schedules": schedules,
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
    let facts = ImageFacts::bare(48, "none");
    let runs = Plan::new(experiment, &facts).unwrap().runs;
    runs.into_iter().map(|run| (run.schedule.clone(), run)).collect()
}

#[test]
fn the_smoke_sweep_runs_every_schedule_and_the_controls_sweep_asks_what_it_says() {
    let labels = |name: &str| -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name);
        let experiment = Experiment::load(&path, &[]).unwrap();
        let facts = ImageFacts::bare(5000, "none");
        let runs = Plan::new(experiment, &facts).unwrap().runs;
        runs.into_iter().filter(|run| run.seed == 0 && run.method.label == "relu").map(|run| run.schedule).collect()
    };
    let smoke = labels("smoke-schedules.json");
    for entry in SCHEDULES {
        assert!(
            smoke.iter().any(|label| label == entry.name),
            "configs/smoke-schedules.json leaves out {}",
            entry.name
        );
    }
    let constants = ["0.0001", "0.0003", "0.0005"].map(|rate| format!("constant-learning_rate={rate}"));
    let expected = ["linear", "exponential", "cosine", "step", "warmup_stable_decay", "debiased", "paper", "as_run"];
    const LAST: [&str; 4] = ["floor_only", "cooling_only", "paper-limit=noise", "as_run-limit=noise"];
    let expected = [&["constant"], &constants.each_ref().map(String::as_str)[..], &expected, &LAST];
    assert_eq!(labels("controls.json"), expected.concat());
}

fn controls(plan: &RunPlan) -> Vec<ControlRow> {
    finish(&mut begin(plan, &images())).1
}

#[test]
fn a_run_trains_at_the_rates_of_its_decay_and_a_constant_keeps_its_own() {
    let schedules = json!(["constant", { "name": "constant", "learning_rate": 3e-4 }, "cosine", "step"]);
    let plans = plans(schedules);
    let expected: Vec<&str> = plans.keys().map(String::as_str).collect();
    assert_eq!(expected, ["constant", "constant-learning_rate=0.0003", "cosine", "step"]);
    let found = |label: &str| -> Vec<(u64, f64)> {
        let rows = controls(&plans[label]);
        assert!(rows.len() == 3 * 53 && rows.iter().all(|row| row.action.is_empty()));
        rows.iter().map(|row| (row.update, row.learning_rate)).collect()
    };
    assert!(found("constant").iter().all(|(_, rate)| *rate == RATE));
    assert!(found("constant-learning_rate=0.0003").iter().all(|(_, rate)| *rate == 3e-4));
    for name in ["cosine", "step"] {
        let expected = rates(name, json!({ "learning_rate": RATE }), 3, 36);
        // Updates are counted from 1 in the rows.
        assert!(found(name).iter().all(|&(update, rate)| rate == expected[update as usize - 1]), "{name}");
    }
    // The plain control says nothing of a rate; what it starts from is in the run's training options.
    assert!(plans["constant"].resolved.options.get("learning_rate").is_none());
    assert_eq!(plans["constant-learning_rate=0.0003"].resolved.options["learning_rate"], 3e-4);
}

#[test]
fn each_ablation_keeps_the_bound_that_its_name_says() {
    let names = ["noise_curvature", "noise_only", "volatility_only", "level_only", "cooling_only", "floor_only"];
    let plans = plans(json!(names));
    let mut seen = Vec::new();
    for name in names {
        let rows = controls(&plans[name]);
        let (mut cooled, mut held) = (0, 0);
        for row in &rows {
            let (step, bound) = (
                row.value("effective_step").unwrap(),
                match name {
                    "noise_only" => row.value("noise_bound"),
                    "volatility_only" => row.value("volatility_bound"),
                    "level_only" => row.value("level_bound"),
                    "floor_only" => Some(0.0),
                    _ => row.value("combined_bound"),
                },
            );
            // docs/method.md, equation (21): the first tenth of a task of 36 updates is its first four.
            let safe = 0.8 * bound.unwrap_or(f64::NAN);
            let window = (row.update - 1) % 36 < 4 && name != "cooling_only";
            let expected = match bound {
                None => "undefined",
                Some(_) if step > safe && step > 0.12 => "cooled",
                Some(_) if window && step < 0.3 * safe => "warmed",
                Some(_) => "held",
            };
            assert_eq!(row.action, expected, "{name}: {row:?}");
            cooled += u32::from(expected == "cooled");
            held += u32::from(expected == "held");
        }
        if name == "floor_only" {
            assert!(rows.iter().all(|row| (row.action == "cooled") == (row.value("effective_step").unwrap() > 0.12)));
        }
        assert!(cooled > 0, "{name} never cooled");
        assert!(rows.iter().any(|row| row.action == "warmed") || ["cooling_only", "floor_only"].contains(&name));
        assert!(held > 0, "{name} never held");
        seen.push(rows);
    }
    for (place, rows) in seen.iter().enumerate() {
        assert!(seen[..place].iter().all(|other| other != rows), "{} is another ablation once more", names[place]);
    }
}

#[test]
fn under_the_scope_network_all_layers_share_one_decision() {
    let plans =
        plans(json!(["noise_curvature", { "name": "noise_curvature", "scope": "network", "label": "network" }]));
    let (layer, network) = (controls(&plans["noise_curvature"]), controls(&plans["network"]));
    let together = |rows: &[ControlRow]| {
        let same = |layers: &[ControlRow]| {
            layers.iter().all(|row| row.learning_rate == layers[0].learning_rate && row.action == layers[0].action)
        };
        rows.chunks(3).all(same)
    };
    assert!(together(&network) && !together(&layer));
    assert!(network.iter().any(|row| row.action == "cooled"));
    // The rows still are the layers' own.
    assert!(network.chunks(3).any(|layers| layers[0].value("combined_bound") != layers[1].value("combined_bound")));
    assert_eq!(plans["network"].resolved.options["scope"], "network");
}
