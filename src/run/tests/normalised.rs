//! Whole runs of networks whose hidden layers are normalised.

use serde_json::{Value, json};
use trainability_record::TaskRow;

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::run::{Run, RunPlan};
use crate::testing::normalised::numbers;
use crate::testing::runs::{self, begin, finish, state_of};

fn images(count: usize) -> ImageSet {
    runs::images(count, [1, 4, 4], 0)
}

/// Minibatches of 20, 20 and 8 images, or with 41 images of 20, 20 and 1.
fn plan(count: usize, settings: Value) -> RunPlan {
    let own = json!({ "stream": { "tasks": 2, "epochs": 4 }, "methods": ["batch_norm"] });
    runs::plans(&ImageFacts::bare(count, "none"), &[&own, &settings]).remove(0)
}

fn field<'a>(row: &'a TaskRow, name: &str) -> &'a str {
    &row.iter().find(|(column, _)| *column == name).unwrap().1
}

#[test]
fn under_batch_norm_noise_and_what_is_made_of_it_are_empty_in_hidden_layers() {
    for schedule in ["paper", "debiased"] {
        let mut run = begin(&plan(48, json!({ "schedules": [schedule] })), &images(48));
        let (tasks, controls) = finish(&mut run);
        assert_eq!(controls.len(), 11 * 3);
        for row in &controls {
            let hidden = row.layer != "fc3";
            let of_noise = ["noise_variance", "noise_bound", "noise_bound_debiased", "combined_bound"];
            assert!(of_noise.iter().all(|name| row.value(name).is_some() != hidden), "{row:?}");
            let others = ["effective_step", "gradient_sq_norm", "sharpness", "sharpness_min", "volatility_bound"];
            assert!(others.iter().all(|name| row.value(name).is_some()), "{row:?}");
            assert_eq!(row.action == "undefined", hidden, "{row:?}");
        }
        let [fc1, fc2, fc3] = run.learner().events() else { panic!("three layers") };
        for layer in [fc1, fc2] {
            assert_eq!((layer.cooled, layer.warmed, layer.held, layer.undefined), (0, 0, 11, 11));
        }
        assert_eq!(fc3.undefined, 0);
        assert!(fc3.cooled + fc3.warmed > 0, "{schedule}: the output layer can be steered");
        for task in &tasks {
            for name in ["hessian_rank", "gradient_confidence"] {
                assert_eq!(field(task, name), "");
            }
            for name in ["sharpness", "gradient_norm", "unit_sign_entropy", "dead_units", "volatility_bound"] {
                assert_ne!(field(task, name), "", "{name}");
            }
        }
    }
}

#[test]
fn what_needs_no_noise_goes_on_under_batch_norm_and_all_does_under_layer_norm() {
    for (method, schedule) in [
        ("batch_norm", "volatility_only"),
        ("batch_norm", "level_only"),
        ("batch_norm", "floor_only"),
        ("batch_norm", "stability_cap"),
        ("layer_norm", "paper"),
        ("layer_norm", "noise_only"),
        ("crelu+layer_norm", "debiased"),
    ] {
        let mut run = begin(&plan(48, json!({ "methods": [method], "schedules": [schedule] })), &images(48));
        let (tasks, controls) = finish(&mut run);
        assert!(
            run.learner().events().iter().all(|layer| layer.undefined == 0),
            "{method}/{schedule}: {:?}",
            run.learner().events()
        );
        if method != "batch_norm" {
            assert!(controls.iter().all(|row| row.value("noise_variance").is_some_and(|variance| variance > 0.0)));
            assert!(
                tasks.iter().all(|task| ["hessian_rank", "gradient_confidence"]
                    .iter()
                    .all(|name| !field(task, name).is_empty()))
            );
        }
    }
    let network = json!({ "name": "debiased", "scope": "network" });
    let mut run = begin(&plan(48, json!({ "schedules": [network] })), &images(48));
    finish(&mut run);
    assert!(run.learner().events().iter().all(|layer| layer.undefined == layer.held && layer.held == 11));
}

#[test]
fn parts_go_together_and_a_last_minibatch_of_one_image_is_no_failure() {
    for method in [
        json!("layer_norm+l2_init"),
        json!("layer_norm+wasserstein"),
        json!("layer_norm+spectral"),
        json!("batch_norm+spectral+anti_regularization"),
        json!("crelu+layer_norm"),
        json!("tanh+batch_norm"),
        json!("batch_norm+shrink_perturb"),
        json!({ "label": "recycled", "parts": ["batch_norm", { "name": "redo", "threshold": 0.7, "period": 3 }] }),
        json!({ "label": "replaced", "parts": ["layer_norm", { "name": "continual_backprop", "maturity": 2, "rate": 0.05 }] }),
        json!("batch_norm+reset"),
    ] {
        let settings = json!({ "methods": [method], "stream": { "tasks": 2, "epochs": 2 }, "measure": { "interval": 1, "window": 3, "probe_images": 16 } });
        let (tasks, controls) = finish(&mut begin(&plan(41, settings), &images(41)));
        assert_eq!((tasks.len(), controls.len()), (2, 3 * (2 * 2 * 3 - 1)), "{method}");
        assert!(tasks.iter().all(|task| field(task, "final_loss").parse::<f64>().unwrap().is_finite()), "{method}");
        assert!(
            controls.iter().all(|row| row.value("sharpness").is_some() && row.value("gradient_sq_norm").is_some()),
            "{method}"
        );
    }
}

/// A rate that moves nothing, so that accuracies and losses follow from the running statistics alone.
#[test]
fn a_task_is_evaluated_by_the_running_statistics() {
    let training = json!({ "batch_size": 48, "learning_rate": 1e-30, "precision": "f64" });
    let losses = |momentum: f64, epochs: usize| -> Vec<f64> {
        let method = json!({ "name": "batch_norm", "momentum": momentum });
        let stream = json!({ "kind": "random_labels", "tasks": 1, "epochs": epochs });
        let settings = json!({ "methods": [method], "training": training, "stream": stream });
        let (tasks, _) = finish(&mut begin(&plan(48, settings), &images(48)));
        tasks.iter().map(|task| field(task, "final_loss").parse().unwrap()).collect()
    };
    // All images are one minibatch: its own statistics are reached at once, or in the end, but for the unbiased variance.
    let (at_once, slowly, begun) = (losses(1.0, 1)[0], losses(0.3, 60)[0], losses(0.3, 1)[0]);
    assert!((at_once - slowly).abs() < 1e-6, "{at_once}, {slowly}");
    assert!((at_once - begun).abs() > 1e-2, "{at_once}, {begun}");
}

fn running(run: &Run, name: &str) -> Vec<f64> {
    numbers(&state_of(run.learner()).tensors[&format!("network/normalization/{name}")])
}

#[test]
fn a_reset_begins_with_fresh_running_statistics() {
    // Slow averages, whose length tells how many updates they have seen.
    let length = |parts: Value| {
        let training = json!({ "batch_size": 20, "learning_rate": 1e-4, "precision": "f64" });
        let settings = json!({ "methods": [{ "label": "slow", "parts": parts }], "training": training });
        let mut run = begin(&plan(48, settings), &images(48));
        let mut after = |updates: usize| {
            (0..updates).for_each(|_| drop(run.advance().unwrap()));
            running(&run, "fc1.running_mean").iter().map(|mean| mean * mean).sum::<f64>().sqrt()
        };
        [after(1), after(11), after(1)]
    };
    let slow = json!({ "name": "batch_norm", "momentum": 1e-6 });
    let [_, whole, kept] = length(json!([slow]));
    assert!(kept > whole, "{kept} after {whole}");
    let [first, whole, renewed] = length(json!([slow, "reset"]));
    assert!(whole > 6.0 * first && renewed < whole / 3.0, "{first}, {whole}, {renewed}");
}

#[test]
fn a_replaced_unit_begins_with_fresh_running_statistics() {
    let redo =
        json!({ "label": "recycled", "parts": ["batch_norm", { "name": "redo", "threshold": 0.999, "period": 3 }] });
    let mut run = begin(&plan(48, json!({ "methods": [redo] })), &images(48));
    let mut fresh = |updates: usize| {
        (0..updates).for_each(|_| drop(run.advance().unwrap()));
        let variances = state_of(run.learner()).tensor("network/normalization/fc1.running_variance").unwrap();
        variances.eq(1.0).sum(tch::Kind::Int64).int64_value(&[])
    };
    assert_eq!(fresh(2), 0);
    let replaced = fresh(1);
    assert!((1..12).contains(&replaced), "{replaced} units are fresh");
}
