//! Whole runs on a tiny stream: measuring changes nothing, a restored run goes on with the same bits, and what a run
//! cannot do is recorded.

use serde_json::{Value, json};
use trainability_baselines::registry::PARTS;
use trainability_record::TaskRow;
use trainability_tensor::{State, Stateful};

use super::RunPlan;
use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::schedule::SCHEDULES;
use crate::testing::runs::{self, begin, finish, state_of};

mod convolutional;
mod export;
mod indicators;
mod lockstep;
mod networks;
mod normalised;
mod optimizers;
mod probe_noise;
mod replay;
mod replicate;
mod schedules;
mod sharing;
mod streams;

fn images() -> ImageSet {
    runs::images(48, [1, 4, 4], 0)
}

/// Images whose background, four pixels of five, is left out in minibatches of 64.
fn digits() -> ImageSet {
    runs::images(96, [1, 4, 4], 205)
}

fn plans(settings: Value) -> Vec<RunPlan> {
    plans_of(&images(), settings)
}

fn plans_of(set: &ImageSet, settings: Value) -> Vec<RunPlan> {
    runs::plans(&ImageFacts::bare(set.count, "none"), &[&settings])
}

fn accuracies(tasks: &[TaskRow]) -> Vec<String> {
    let wanted = ["task", "updates", "online_accuracy", "final_accuracy", "final_loss"];
    tasks.iter().flatten().filter(|(name, _)| wanted.contains(name)).map(|(_, field)| field.clone()).collect()
}

#[test]
fn measuring_never_changes_training() {
    let methods = [
        (json!("relu"), "constant"),
        (json!("relu"), "cosine"),
        (json!("crelu+wasserstein"), "constant"),
        (json!("spectral"), "constant"),
        (json!("l2_adam"), "constant"),
        (json!("reset"), "constant"),
        (json!("anti_regularization+gradient_clipping"), "constant"),
        (json!("shrink_perturb"), "constant"),
        (json!({ "name": "redo", "period": 4, "threshold": 0.5 }), "constant"),
        (json!({ "name": "continual_backprop", "maturity": 2, "rate": 0.05 }), "constant"),
        (json!("layer_norm"), "constant"),
        (json!("batch_norm"), "constant"),
        (json!("deep_fourier+parseval"), "constant"),
        (json!("upgd+sharpness_aware"), "constant"),
        (json!("batch_norm+l2_er"), "constant"),
        (json!("normalize_and_project+dash"), "constant"),
        (json!({ "name": "self_normalized_resets", "rejection": 0.2 }), "constant"),
        (
            json!({ "label": "recycled", "parts": ["batch_norm", { "name": "redo", "period": 4, "threshold": 0.5 }] }),
            "constant",
        ),
    ];
    for (method, schedule) in methods {
        for (set, batch_size) in [(images(), 20), (digits(), 64)] {
            let train = |interval: u64| {
                let settings = json!({
                    "methods": [method],
                    "schedules": [schedule],
                    "training": { "batch_size": batch_size, "learning_rate": 0.01 },
                    "measure": { "interval": interval, "window": 3 }
                });
                accuracies(&finish(&mut begin(&plans_of(&set, settings)[0], &set)).0)
            };
            let never = train(0);
            assert_eq!(never.len(), 3 * 5);
            assert_eq!(train(1), never, "{method}");
            assert_eq!(train(10), never, "{method}");
        }
    }
}

/// A step of one sample from an outer product has the bits of one from a gradient that is written out, as measured updates have it.
#[test]
fn measuring_never_changes_training_one_image_at_a_time() {
    let plain = json!({ "optimizer": "sgd", "momentum": 0.0 });
    for (method, training) in [
        (json!("relu"), plain.clone()),
        (json!("l2_adam"), plain.clone()),
        (json!("crelu"), json!({ "optimizer": "sgd", "nesterov": true })),
        (json!("adamw"), json!({ "optimizer": "sgd" })),
        (json!("leaky_relu"), json!({ "optimizer": "adam", "precision": "f64" })),
        (json!("l2_adam"), json!({ "optimizer": "adam" })),
        (json!({ "name": "continual_backprop", "maturity": 2, "rate": 0.05 }), json!({ "optimizer": "adam" })),
        (json!({ "name": "redo", "threshold": 0.5, "period": 7 }), plain),
    ] {
        let train = |interval: u64| {
            let mut training = training.clone();
            training["batch_size"] = json!(1);
            training["learning_rate"] = json!(0.003);
            let settings = json!({
                "data": { "images": 12 },
                "methods": [method],
                "training": training,
                "measure": { "interval": interval, "window": 3 }
            });
            let (set, mut states) = (digits(), Vec::new());
            let mut run = begin(&plans_of(&set, settings)[0], &set);
            let rows = accuracies(&finish(&mut run).0);
            let state = runs::state_of(&run);
            for (name, tensor) in &state.tensors {
                if name.starts_with("learner/network/") || name.starts_with("learner/optimizer/") {
                    states.push((name.clone(), tensor.copy()));
                }
            }
            (rows, states)
        };
        let (rows, network) = train(0);
        assert!(network.len() >= 12, "{}", network.len());
        let (measured_rows, measured) = train(1);
        assert_eq!((rows, network), (measured_rows, measured), "{method} under {training}");
    }
}

/// Stops a run in the middle of a task, at a task's end and before the first update, and lets another go on from there.
fn goes_on_with_the_same_bits(plan: &RunPlan) {
    goes_on_with_the_same_bits_on(&images(), plan);
}

fn goes_on_with_the_same_bits_on(set: &ImageSet, plan: &RunPlan) {
    runs::goes_on_with_the_same_bits(set, plan, [0, 5, 9]);
}

#[test]
fn every_method_goes_on_from_a_checkpoint_with_the_same_bits() {
    // Every part by its default options, and what the defaults do not reach.
    let mut methods: Vec<Value> = PARTS.iter().map(|part| json!(part.name)).collect();
    methods.extend([
        json!("crelu+wasserstein"),
        json!({ "name": "anti_regularization", "decay": "task" }),
        json!({ "name": "shrink_perturb", "per": "update", "shrink": 0.01, "scale": 0.01 }),
        json!({ "name": "redo", "threshold": 0.5 }),
        json!({ "name": "redo", "threshold": 0.5, "period": 4 }),
        json!({ "name": "hare_tortoise", "momentum": 0.9, "period": 4 }),
        json!({ "name": "self_normalized_resets", "rejection": 0.2 }),
        json!("crelu+upgd+sharpness_aware"),
        json!("batch_norm+l2_er"),
        json!("crelu+layer_norm+l2_init"),
        json!("layer_norm+wasserstein"),
        json!("batch_norm+reset"),
        json!({ "label": "batch_norm+redo", "parts": ["batch_norm", { "name": "redo", "threshold": 0.5, "period": 4 }] }),
        json!({ "label": "layer_norm+continual", "parts": ["layer_norm", { "name": "continual_backprop", "maturity": 2, "rate": 0.05 }] }),
        json!({ "label": "crelu+continual", "parts": ["crelu", { "name": "continual_backprop", "maturity": 2, "rate": 0.05 }] }),
    ]);
    let plans = plans(json!({ "methods": methods, "schedules": ["debiased"] }));
    assert_eq!(plans.len(), methods.len());
    plans.iter().for_each(goes_on_with_the_same_bits);
    for plan in plans_of(&digits(), json!({ "training": { "batch_size": 64 }, "schedules": ["debiased"] })) {
        goes_on_with_the_same_bits_on(&digits(), &plan);
    }
}

#[test]
fn where_two_runs_differ_is_told_by_row_and_column() {
    let row = |loss: &str| vec![("task", "0".to_owned()), ("final_loss", loss.to_owned())];
    let (whole, other) = ([row("0.5"), row("0.25")], [row("0.5"), row("0.125")]);
    assert_eq!(runs::first_difference(&whole, &whole), None);
    let told = runs::first_difference(&other, &whole).unwrap();
    assert_eq!(told, "row 1, final_loss: \"0.125\", expected \"0.25\"");
    assert_eq!(runs::first_difference(&whole[..1], &whole).unwrap(), "1 rows, expected 2");
    assert_eq!(runs::first_difference(&[row("1")[..1].to_vec()], &[row("1")]).unwrap(), "row 0: 1 columns, expected 2");
}

#[test]
fn every_schedule_of_the_registry_goes_on_from_a_checkpoint_with_the_same_bits() {
    let rates = format!("{}/configs/smoke-rates.csv", env!("CARGO_MANIFEST_DIR"));
    let entry = |name| if name == "replay" { json!({ "name": name, "rates": rates }) } else { json!(name) };
    let mut schedules: Vec<Value> = SCHEDULES.iter().map(|kind| entry(kind.name)).collect();
    schedules.push(json!({ "name": "cosine", "restart": "task" }));
    schedules.push(json!({ "name": "debiased", "scope": "network", "beta": 50.0 }));
    let plans = plans(json!({ "schedules": schedules }));
    assert_eq!(plans.len(), SCHEDULES.len() + 2);
    plans.iter().for_each(goes_on_with_the_same_bits);
}

#[test]
fn a_state_of_another_network_is_refused_by_name() {
    let state = state_of(&begin(&plans(json!({}))[0], &images()));
    let other = plans(json!({ "network": { "hidden": [12, 9] } }));
    let message = begin(&other[0], &images()).restore(&state).unwrap_err().to_string();
    assert!(message.contains("learner/network/fc2.weight"), "{message}");
}

/// With a rate that moves nothing, accuracy follows from initialisation, images, labels and their order alone.
#[test]
fn the_same_seed_gives_every_arm_the_same_images_labels_and_order() {
    let settings = json!({
        "training": { "batch_size": 20, "learning_rate": 1e-30 },
        "methods": ["relu", "l2_adam", "l2_loss", "wasserstein", "l2_init", "spectral"],
        "schedules": ["constant", "paper", "debiased"],
        "seeds": 2
    });
    let of_seed = |seed: u64| -> Vec<Vec<String>> {
        let plans = plans(settings.clone()).into_iter().filter(|plan| plan.seed == seed);
        plans.map(|plan| accuracies(&finish(&mut begin(&plan, &images())).0)).collect()
    };
    let (first, second) = (of_seed(0), of_seed(1));
    assert_eq!(first.len(), 6 * 3);
    for (index, arm) in first.iter().enumerate() {
        assert_eq!(*arm, first[0], "arm {index}");
    }
    assert!(second.iter().all(|arm| *arm == second[0]));
    assert_ne!(first[0], second[0]);
}

#[test]
fn a_run_that_leaves_the_real_numbers_says_where() {
    let settings = json!({ "training": { "batch_size": 20, "learning_rate": 1e30 } });
    let mut run = begin(&plans(settings)[0], &images());
    let diverged = loop {
        match run.advance() {
            Ok(_) => assert!(!run.is_over(), "a rate of 1e30 must diverge"),
            Err(diverged) => break diverged,
        }
    };
    assert_eq!(diverged.task, 0);
    assert!(!diverged.value.is_finite() && diverged.last_finite.is_finite());
    assert!(diverged.to_string().contains("in task 1, at update"), "{diverged}");
}

#[test]
fn a_constant_schedule_takes_no_decisions_and_a_floor_out_of_reach_keeps_a_controller_still() {
    let mut constant = begin(&plans(json!({}))[0], &images());
    let (_, controls) = finish(&mut constant);
    assert!(constant.learner().events().is_empty() && !constant.learner().is_scheduled());
    assert!(controls.iter().all(|row| row.action.is_empty() && row.learning_rate == 0.01));
    let settings = json!({ "schedules": ["paper"], "control": { "floor": 1e9, "warm_window": "off" } });
    let mut still = begin(&plans(settings)[0], &images());
    let (_, controls) = finish(&mut still);
    assert!(still.learner().is_scheduled());
    assert!(still.learner().events().iter().all(|layer| layer.cooled + layer.warmed == 0 && layer.held > 0));
    assert!(controls.iter().all(|row| row.action == "held"));
}

#[test]
fn reset_starts_every_task_from_fresh_weights() {
    let settings = json!({ "methods": ["relu", "reset"], "stream": { "tasks": 4, "epochs": 150 } });
    let plans = plans(settings);
    let weight_norms = |plan: &RunPlan| -> Vec<f64> {
        let (tasks, _) = finish(&mut begin(plan, &images()));
        tasks
            .iter()
            .map(|row| row.iter().find(|(name, _)| *name == "weight_norm").unwrap().1.parse().unwrap())
            .collect()
    };
    let (kept, reset) = (weight_norms(&plans[0]), weight_norms(&plans[1]));
    assert_eq!(kept[0], reset[0]);
    assert!(kept[3] > 1.1 * kept[0], "weights grow over tasks: {kept:?}");
    assert!(reset[3] < 1.05 * reset[0], "fresh weights do not: {reset:?}");
}

/// The parameters and the optimizer's state at the end of a run.
fn final_state(settings: Value) -> State {
    let mut run = begin(&plans(settings)[0], &images());
    finish(&mut run);
    state_of(run.learner())
}

#[test]
fn weights_are_shrunk_and_perturbed_between_tasks_or_at_each_update() {
    // A rate that moves nothing.
    let train = |method: Value| {
        let training = json!({ "batch_size": 20, "learning_rate": 1e-30, "precision": "f64" });
        final_state(json!({ "methods": [method], "training": training }))
    };
    let (initial, tasks) = (train(json!("relu")), train(json!("shrink_perturb")));
    let often = train(json!({ "name": "shrink_perturb", "per": "update", "shrink": 0.1, "scale": 0 }));
    for name in ["network/fc1.weight", "network/fc2.weight", "network/fc3.weight"] {
        let initial = initial.tensor(name).unwrap();
        // Three tasks have two boundaries, with noise of 0.01 shrunk once and 0.01.
        let noise = tasks.tensor(name).unwrap() - &initial * 0.36;
        let deviation = noise.std(false).double_value(&[]) / 0.01f64.hypot(0.006);
        assert!((0.7..1.3).contains(&deviation), "{name}: {deviation}");
        // Three epochs of three minibatches in each of three tasks.
        let expected = &initial * 0.9f64.powi(27);
        assert!(often.tensor(name).unwrap().allclose(&expected, 1e-12, 0.0, false), "{name}");
    }
    assert!(tasks.tensor("network/fc1.bias").unwrap().abs().max().double_value(&[]) > 0.0);
    assert!(often.tensor("network/fc1.bias").unwrap().abs().max().double_value(&[]) < 1e-25);
}

#[test]
fn units_are_replaced_in_a_run() {
    for (method, due) in [
        (json!("redo"), false),
        (json!({ "name": "redo", "threshold": 0.9 }), true),
        (json!({ "name": "redo", "threshold": 0.9, "period": 20 }), true),
        (json!({ "name": "redo", "threshold": 0.9, "period": 28 }), false),
        (json!({ "name": "continual_backprop", "maturity": 2, "rate": 0.05 }), true),
        (json!({ "name": "continual_backprop", "maturity": 27, "rate": 1 }), false),
        (json!({ "name": "continual_backprop", "maturity": 26, "rate": 1 }), true),
    ] {
        let tasks = if method == json!("redo") { 1 } else { 3 };
        let state = final_state(json!({ "methods": [method], "stream": { "tasks": tasks, "epochs": 3 } }));
        let restarted = |name: &str| state.tensors.contains_key(&format!("optimizer/{name}.restarts"));
        for name in ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight"] {
            assert_eq!(restarted(name), due, "{method}: {name}");
        }
        assert!(!restarted("fc3.bias"), "the output layer has no units to replace");
    }
}

#[test]
fn a_measured_update_sees_the_gradient_of_the_loss_and_the_optimizer_what_the_rule_made_of_it() {
    let settings = |method: &str| {
        let training = json!({ "batch_size": 20, "learning_rate": 1e-30, "precision": "f64" });
        json!({ "methods": [method], "training": training })
    };
    let of = |method: &str| {
        let mut run = begin(&plans(settings(method))[0], &images());
        finish(&mut run)
    };
    let ((tasks, plain), (ruled_tasks, ruled)) = (of("relu"), of("gradient_normalization"));
    let norms = |tasks: &[TaskRow]| -> Vec<String> {
        tasks.iter().flatten().filter(|(name, _)| *name == "gradient_norm").map(|(_, field)| field.clone()).collect()
    };
    assert_eq!(norms(&tasks).len(), 3);
    assert_eq!(norms(&tasks), norms(&ruled_tasks));
    for (plain, ruled) in plain.iter().zip(&ruled) {
        assert_eq!(plain.value("gradient_sq_norm"), ruled.value("gradient_sq_norm"));
        assert_eq!(plain.value("noise_variance"), ruled.value("noise_variance"));
        assert_ne!(plain.value("effective_step"), ruled.value("effective_step"));
    }
    // The second moment of gradients of length one sums to one, bias-corrected.
    let state = final_state(settings("gradient_normalization"));
    let sum: f64 = ["fc1", "fc2", "fc3"]
        .iter()
        .flat_map(|layer| ["weight", "bias"].map(|role| format!("optimizer/{layer}.{role}.exp_avg_sq")))
        .map(|name| state.tensor(&name).unwrap().sum(tch::Kind::Double).double_value(&[]))
        .sum();
    assert!((sum / (1.0 - 0.999f64.powi(27)) - 1.0).abs() < 1e-9, "{sum}");
}
