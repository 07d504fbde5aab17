//! Gradient noise by the samples of the probe batch, and what is known of it where a minibatch is one image.

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability_record::ControlRow;

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::learner::Task;
use crate::model::{Pass, cross_entropy, gradients};
use crate::run::training::task_of;
use crate::run::{Run, RunPlan};
use crate::testing::runs::{self, begin, finish};

fn plans(set: &ImageSet, settings: &Value) -> Vec<RunPlan> {
    runs::plans(&ImageFacts::of(set), &[settings])
}

fn images() -> ImageSet {
    runs::images(30, [1, 4, 4], 0)
}

/// sigma2 of each layer over the first images of a task, by a backward pass for each of them.
fn variances(run: &Run, task: Task, count: i64) -> Vec<f64> {
    let (inputs, labels) = task.part(0, count);
    let model = run.learner().model();
    let mut rows: Vec<Vec<Tensor>> = model.layers().iter().map(|_| Vec::new()).collect();
    for sample in 0..count {
        let logits = model.forward(&inputs.narrow(0, sample, 1), &mut Pass::evaluation());
        let loss = cross_entropy(&logits, &labels.narrow(0, sample, 1));
        for (layer, gradients) in gradients(model.layers(), &loss, false).iter().enumerate() {
            rows[layer]
                .push(Tensor::cat(&gradients.iter().map(|gradient| gradient.flatten(0, -1)).collect::<Vec<_>>(), 0));
        }
    }
    let variance = |rows: &Vec<Tensor>| {
        let rows = Tensor::stack(rows, 0);
        let centred = &rows - rows.mean_dim(0, true, Kind::Double);
        centred.square().sum(Kind::Double).double_value(&[]) / count as f64
    };
    rows.iter().map(variance).collect()
}

fn near(what: &str, found: Option<f64>, expected: f64) {
    let found = found.unwrap_or_else(|| panic!("{what} is undefined, expected {expected}"));
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{what} is {found}, expected {expected}");
}

#[test]
fn the_variance_is_that_of_a_loop_over_the_probe_batch_and_bounds_are_of_the_minibatchs_size() {
    let set = images();
    for (batch_size, kind) in [(1, "random_labels"), (7, "pixel_permutation")] {
        let settings = json!({
            "stream": { "kind": kind, "tasks": 2, "epochs": 1, "sample": 28 },
            "training": { "batch_size": batch_size, "precision": "f64" },
            "measure": { "interval": 3, "noise": "probe", "probe_images": 16 },
            "methods": ["l2_loss"],
        });
        let mut run = begin(&plans(&set, &settings)[0], &set);
        let mut measured = 0;
        while !run.is_over() {
            let expected = (!run.begins_task()).then(|| variances(&run, task_of(&run.stream), 16));
            let controls = run.advance().unwrap().controls;
            for (layer, row) in controls.iter().enumerate() {
                let Some(expected) = &expected else { continue };
                near("noise_variance", row.value("noise_variance"), expected[layer]);
                let (b, variance, signal) =
                    (batch_size as f64, expected[layer], row.value("gradient_sq_norm").unwrap());
                near("noise_bound", row.value("noise_bound"), b * signal / variance);
                let debiased = b * (signal - variance * 16.0 / 15.0 / b).max(0.0) / variance;
                near("noise_bound_debiased", row.value("noise_bound_debiased"), debiased);
                let x = row.value("volatility").unwrap();
                if let Some(combined) = row.value("combined_bound") {
                    near("combined_bound", Some(combined), b * signal / (variance + signal * x));
                }
                measured += 1;
            }
        }
        assert!(measured >= 6, "{measured}");
    }
}

/// The minibatch is the whole set, and so is the probe batch.
#[test]
fn of_the_minibatchs_own_samples_it_is_the_variance_within_the_minibatch() {
    let set = images();
    let train = |noise: &str| {
        let settings = json!({
            "training": { "batch_size": 30, "precision": "f64" },
            "measure": { "interval": 1, "noise": noise, "probe_images": 30 },
            "methods": ["relu", "crelu", "tanh", "layer_norm"],
            "schedules": ["debiased"]
        });
        let all: Vec<Vec<ControlRow>> =
            plans(&set, &settings).iter().map(|plan| finish(&mut begin(plan, &set)).1).collect();
        all.concat()
    };
    let (minibatch, probe) = (train("minibatch"), train("probe"));
    assert_eq!(minibatch.len(), probe.len());
    for (own, other) in minibatch.iter().zip(&probe) {
        for column in ["noise_variance", "noise_bound", "noise_bound_debiased", "combined_bound", "effective_step"] {
            match own.value(column) {
                None => assert_eq!(other.value(column), None, "{column}"),
                Some(value) => near(column, other.value(column), value),
            }
        }
    }
}

#[test]
fn it_changes_no_training_and_goes_on_with_the_same_bits() {
    let set = images();
    for method in ["relu", "batch_norm"] {
        let plan = |interval: u64, schedule: &str| {
            let settings = json!({
                "training": { "batch_size": 1, "learning_rate": 0.001 },
                "measure": { "interval": interval, "noise": "probe" },
                "methods": [method],
                "schedules": [schedule]
            });
            plans(&set, &settings).remove(0)
        };
        let trained = |interval: u64| {
            let (tasks, _) = finish(&mut begin(&plan(interval, "constant"), &set));
            let own = |name: &str| ["online_accuracy", "final_accuracy", "final_loss"].contains(&name);
            tasks.iter().flatten().filter(|(name, _)| own(name)).map(|(_, field)| field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(trained(7), trained(0), "{method}");
        let scheduled = plan(7, "debiased");
        runs::goes_on_with_the_same_bits(&set, &scheduled, [0, 29, 31, 200]);
        let (_, controls) = finish(&mut begin(&scheduled, &set));
        // Over a minibatch of one image batch norm couples nothing to it, and says so all the same.
        assert!(
            controls
                .iter()
                .all(|row| row.value("noise_variance").is_some() == (method == "relu" || row.layer == "fc3"))
        );
    }
}

/// Everything that a run at batch size 1 writes is a number or empty, and what needs a variance within the minibatch is empty.
#[test]
fn of_a_minibatch_of_one_image_the_noise_is_undefined_and_nothing_else() {
    let set = images();
    let settings = json!({
        "stream": { "tasks": 2, "epochs": 1 },
        "training": { "batch_size": 1, "learning_rate": 0.001 },
        "measure": { "interval": 7 },
        "methods": ["relu", "crelu", "tanh", "layer_norm", "batch_norm", "l2_adam", "redo", "continual_backprop"],
        "schedules": ["constant", "volatility_only", "level_only", "floor_only", "stability_cap"]
    });
    let unknown = ["noise_variance", "noise_bound", "noise_bound_debiased", "combined_bound"];
    for plan in plans(&set, &settings) {
        let (tasks, controls) = finish(&mut begin(&plan, &set));
        for row in &controls {
            assert!(unknown.iter().all(|column| row.value(column).is_none()), "{}: {row:?}", plan.name());
            for known in ["effective_step", "gradient_sq_norm", "sharpness", "volatility"] {
                assert!(row.value(known).is_some_and(f64::is_finite), "{}: {known} of {row:?}", plan.name());
            }
        }
        for (name, field) in tasks.iter().flatten() {
            let undefined = field.is_empty();
            assert!(
                undefined || field.parse::<f64>().is_ok_and(|value| value.is_finite() || name.ends_with("bound")),
                "{name} is {field}"
            );
            let of_noise = [
                "noise_bound",
                "noise_bound_debiased",
                "combined_bound",
                "gradient_confidence",
                "predicted_trainability",
            ];
            assert!(undefined || !of_noise.contains(name), "{}: {name} is {field}", plan.name());
        }
    }
}

#[test]
fn a_schedule_that_needs_the_noise_of_single_images_is_told_where_to_get_it() {
    let set = images();
    for (schedule, needs) in [("debiased", true), ("paper", true), ("noise_only", true), ("level_only", false)] {
        let plan = |noise: &str| {
            let experiment = json!({
                "stream": { "tasks": 2, "epochs": 1 },
                "training": { "batch_size": 1 },
                "measure": { "noise": noise },
                "methods": ["relu"],
                "schedules": [schedule],
                "seeds": 1
            });
            let experiment = crate::experiment::Experiment::from_value(experiment, "a.json", "a").unwrap();
            crate::experiment::Plan::new(experiment, &ImageFacts::of(&set)).err().map(|error| error.to_string())
        };
        assert_eq!(plan("probe"), None);
        let refusal = plan("minibatch");
        assert_eq!(refusal.is_some(), needs, "{schedule}");
        let told = "at least 2 for the schedule";
        assert!(refusal.is_none_or(|refusal| refusal.contains(told) && refusal.contains("`measure.noise`")));
    }
}
