//! Whole runs: measuring changes nothing, and what was stopped goes on with the same bits.

use std::time::Duration;

use serde_json::{Value, json};
use trainability::config::{ImageFacts, RunPlan};
use trainability::data::ImageSet;
use trainability::run::{Run, checkpoint};
use trainability_baselines::{PARTS, State, Stateful};

use super::tiny::{self, finish};

/// Colour images of 6 x 5 pixels, most of which are background.
fn images() -> ImageSet {
    tiny::images(96, [3, 6, 5], 205)
}

fn plans(settings: Value) -> Vec<RunPlan> {
    let own = json!({
        "stream": { "tasks": 2, "epochs": 2 },
        "network": { "kind": "convolutional", "channels": [3, 4], "hidden": [8] },
        "training": { "batch_size": 64 },
        "measure": { "interval": 1 }
    });
    tiny::plans(&ImageFacts::of(&images()), &[&own, &settings])
}

/// Parameters and moments, byte for byte.
fn state(run: &Run) -> Vec<u8> {
    let mut state = State::default();
    run.save(&mut state);
    let kept = |name: &str| name.starts_with("network/") || name.starts_with("optimizer/");
    state.tensors.retain(|name, _| kept(name));
    state.values.retain(|name, _| kept(name));
    checkpoint::to_bytes(&state).unwrap()
}

#[test]
fn measuring_never_changes_training() {
    let methods = [
        json!("relu"),
        json!("crelu+wasserstein"),
        json!("tanh"),
        json!({ "name": "redo", "period": 2, "threshold": 0.5 }),
        json!({ "name": "continual_backprop", "maturity": 1, "rate": 0.2 }),
    ];
    for method in methods {
        let train = |interval: u64| {
            let measure = json!({ "interval": interval, "window": 3, "probe_images": 16 });
            let mut run = Run::new(&plans(json!({ "methods": [method], "measure": measure }))[0], &images());
            finish(&mut run);
            state(&run)
        };
        let never = train(0);
        assert_eq!(train(1), never, "{method}");
        assert_eq!(train(3), never, "{method}");
    }
}

#[test]
fn every_method_goes_on_from_the_middle_of_a_task_with_the_same_bits() {
    let parts = PARTS.iter().filter(|part| !["layer_norm", "batch_norm"].contains(&part.name));
    let mut methods: Vec<Value> = parts.map(|part| json!(part.name)).collect();
    methods.extend([
        json!({ "name": "redo", "threshold": 0.5, "period": 2 }),
        json!({ "label": "continual", "parts": ["crelu", { "name": "continual_backprop", "maturity": 1, "rate": 0.2 }] }),
        json!({ "label": "narrow", "parts": [{ "name": "crelu", "match_parameters": true }, "spectral"] }),
    ]);
    let plans = plans(json!({ "methods": methods, "schedules": ["debiased"] }));
    assert_eq!(plans.len(), PARTS.len() + 1);
    for plan in plans {
        tiny::goes_on_with_the_same_bits(&images(), &plan, [5]);
    }
}

#[test]
fn every_statistic_of_a_layer_is_there() {
    let (tasks, controls) = finish(&mut Run::new(&plans(json!({ "methods": ["crelu+spectral"] }))[0], &images()));
    let names: Vec<&str> = controls[..4].iter().map(|row| row.layer.as_str()).collect();
    assert_eq!(names, ["conv1", "conv2", "fc1", "fc2"]);
    for row in &controls {
        for value in [
            row.value("effective_step"),
            row.value("noise_variance"),
            row.value("sharpness"),
            row.value("noise_bound"),
            row.value("combined_bound"),
        ] {
            assert!(value.is_some_and(|value| value > 0.0), "{row:?}");
        }
    }
    for (name, field) in tasks.iter().flatten() {
        assert!(!field.is_empty() || ["hessian_spectral_rank", "test_accuracy"].contains(name), "{name}");
    }
}

#[test]
fn units_are_replaced_on_both_sides_of_the_flatten_boundary() {
    for method in [
        json!({ "name": "redo", "threshold": 0.99 }),
        json!({ "name": "continual_backprop", "maturity": 1, "rate": 0.5 }),
    ] {
        let mut run = Run::new(&plans(json!({ "methods": [method] }))[0], &images());
        finish(&mut run);
        let mut state = State::default();
        run.save(&mut state);
        for name in ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias", "fc2.weight"]
        {
            assert!(state.tensors.contains_key(&format!("optimizer/{name}.restarts")), "{method}: {name}");
        }
    }
}

#[test]
fn killed_and_called_again_a_sweep_ends_with_the_same_bytes() {
    let work = super::workdir::Workdir::new();
    work.experiment(&[
        ("network", json!({ "kind": "convolutional", "channels": [3, 4], "hidden": [8] })),
        ("methods", json!(["crelu+wasserstein", { "name": "redo", "threshold": 0.5 }])),
        ("schedules", json!(["debiased"])),
        ("stream", json!({ "tasks": 3, "epochs": 60 })),
    ]);
    work.sweep("whole", &["--jobs", "2"]).succeeded();
    let runs = ["crelu+wasserstein/debiased/seed-0", "redo-threshold=0.5/debiased/seed-0"];
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out", "--jobs", "1", "--checkpoint-every", "0"]);
    program.current_dir(work.path("")).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = program.spawn().unwrap();
    // In the middle of the first run, wherever that is.
    while !work.path(format!("out/runs/{}/checkpoint", runs[0])).exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!work.path(format!("out/runs/{}/run.json", runs[1])).exists(), "it was over before");
    child.kill().unwrap();
    child.wait().unwrap();
    work.sweep("out", &["--jobs", "2"]).succeeded();
    for run in runs {
        assert_eq!(work.rows("out", run), work.rows("whole", run), "{run}");
    }
}

/// What `make smoke` does, on fewer updates.
#[test]
fn the_convolutional_smoke_sweep_runs_to_its_end_on_real_images() {
    let work = super::workdir::Workdir::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke-convolutional.json");
    let arguments = ["sweep", config, "--out", "out", "--set", "stream.epochs=2", "--set", "stream.tasks=2"];
    work.run(&arguments).succeeded();
    let runs = work.runs("out");
    for method in ["relu", "crelu-match_parameters=true", "tanh", "wasserstein+spectral", "redo", "continual"] {
        for schedule in ["constant", "paper", "debiased"] {
            let run = format!("{method}/{schedule}/seed-0");
            assert!(runs.contains(&run), "{run} is not in {runs:?}");
        }
    }
    assert!(runs.contains(&"reset/constant/seed-0".to_owned()));
    work.run(&["report", "out"]).succeeded();
}
