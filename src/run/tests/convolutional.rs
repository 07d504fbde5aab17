//! Whole runs of convolutional networks: measuring changes nothing, and what was stopped goes on with the same bits.

use serde_json::{Value, json};
use trainability_baselines::registry::PARTS;

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::run::{Run, RunPlan, checkpoint};
use crate::testing::runs::{self, begin, finish, state_of};

/// Colour images of 6 x 5 pixels, most of which are background.
fn images() -> ImageSet {
    runs::images(96, [3, 6, 5], 205)
}

fn plans(settings: Value) -> Vec<RunPlan> {
    let own = json!({
        "stream": { "tasks": 2, "epochs": 2 },
        "network": { "kind": "convolutional", "channels": [3, 4], "hidden": [8] },
        "training": { "batch_size": 64 },
        "measure": { "interval": 1 }
    });
    runs::plans(&ImageFacts::of(&images()), &[&own, &settings])
}

/// Parameters and moments, byte for byte.
fn state(run: &Run) -> Vec<u8> {
    let mut state = state_of(run.learner());
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
            let mut run = begin(&plans(json!({ "methods": [method], "measure": measure }))[0], &images());
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
    let normalising = ["layer_norm", "batch_norm", "normalize_and_project"];
    let parts = PARTS.iter().filter(|part| !normalising.contains(&part.name));
    let mut methods: Vec<Value> = parts.map(|part| json!(part.name)).collect();
    methods.extend([
        json!({ "name": "redo", "threshold": 0.5, "period": 2 }),
        json!({ "label": "continual", "parts": ["crelu", { "name": "continual_backprop", "maturity": 1, "rate": 0.2 }] }),
        json!({ "label": "narrow", "parts": [{ "name": "crelu", "match_parameters": true }, "spectral"] }),
    ]);
    let plans = plans(json!({ "methods": methods, "schedules": ["debiased"] }));
    assert_eq!(plans.len(), PARTS.len() - normalising.len() + 3);
    for plan in plans {
        runs::goes_on_with_the_same_bits(&images(), &plan, [5]);
    }
}

#[test]
fn every_statistic_of_a_layer_is_there() {
    let (tasks, controls) = finish(&mut begin(&plans(json!({ "methods": ["crelu+spectral"] }))[0], &images()));
    let names: Vec<&str> = controls[..4].iter().map(|row| row.layer.as_str()).collect();
    assert_eq!(names, ["conv1", "conv2", "fc1", "fc2"]);
    for row in &controls {
        for name in ["effective_step", "noise_variance", "sharpness", "noise_bound", "combined_bound"] {
            assert!(row.value(name).is_some_and(|value| value > 0.0), "{row:?}");
        }
    }
    for (name, field) in tasks.iter().flatten() {
        assert!(
            !field.is_empty() || ["hessian_spectral_rank", "hessian_epsilon_rank", "test_accuracy"].contains(name),
            "{name}"
        );
    }
}

#[test]
fn units_are_replaced_on_both_sides_of_the_flatten_boundary() {
    for method in [
        json!({ "name": "redo", "threshold": 0.99 }),
        json!({ "name": "continual_backprop", "maturity": 1, "rate": 0.5 }),
    ] {
        let mut run = begin(&plans(json!({ "methods": [method] }))[0], &images());
        finish(&mut run);
        let state = state_of(run.learner());
        for name in ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias", "fc2.weight"]
        {
            assert!(state.tensors.contains_key(&format!("optimizer/{name}.restarts")), "{method}: {name}");
        }
    }
}
