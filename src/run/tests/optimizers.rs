//! Whole runs with another optimizer than Adam.

use serde_json::{Value, json};

use crate::experiment::{Experiment, ImageFacts, Plan};
use crate::optimizer::OPTIMIZERS;
use crate::run::{Run, RunPlan};
use crate::testing::runs::{finish, goes_on_with_the_same_bits, images, plans};

const IMAGES: usize = 50;

fn sgd(options: Value) -> Vec<RunPlan> {
    let training = json!({ "training": { "optimizer": "sgd", "learning_rate": 0.05 } });
    plans(&ImageFacts::bare(IMAGES, "none"), &[&training, &options])
}

#[test]
fn runs_with_sgd_learn_and_go_on_with_the_same_bits() {
    let set = images(IMAGES, [1, 4, 4], 0);
    for options in [
        json!({ "schedules": ["constant", "debiased"] }),
        json!({ "methods": ["l2_adam", "adamw", "redo"], "training": { "nesterov": true } }),
    ] {
        for plan in sgd(options) {
            goes_on_with_the_same_bits(&set, &plan, [5, 14]);
            let (_, controls) = finish(&mut Run::new(&plan, &set).unwrap());
            assert!(!controls.is_empty(), "{} is measured", plan.name());
        }
    }
}

#[test]
fn every_optimizer_goes_on_with_the_same_bits_and_is_not_disturbed_by_measurements() {
    let set = images(IMAGES, [1, 4, 4], 0);
    for kind in OPTIMIZERS {
        // One has a weight decay of its own.
        let method = if kind.name == "adamw" { "redo" } else { "redo+l2_adam" };
        let plan = |interval: u64| {
            let settings = json!({
                "training": { "optimizer": kind.name, "learning_rate": 0.01 }, "methods": [method],
                "measure": { "interval": interval, "window": 3 }
            });
            plans(&ImageFacts::bare(IMAGES, "none"), &[&settings]).remove(0)
        };
        goes_on_with_the_same_bits(&set, &plan(2), [0, 5, 14]);
        let accuracies = |interval| -> Vec<String> {
            let (tasks, _) = finish(&mut Run::new(&plan(interval), &set).unwrap());
            let wanted = |name: &str| ["online_accuracy", "final_loss"].contains(&name);
            tasks.iter().flatten().filter(|(name, _)| wanted(name)).map(|(_, field)| field.clone()).collect()
        };
        let never = accuracies(0);
        assert_eq!(never.len(), 3 * 2, "{}", kind.name);
        assert!(accuracies(1) == never && accuracies(5) == never, "{} trains otherwise when it is measured", kind.name);
    }
}

/// A ramp follows from where the update stands in its task, whatever interrupted the run; and it changes the first layer's steps.
#[test]
fn a_ramp_of_decays_goes_on_with_the_same_bits() {
    let set = images(IMAGES, [1, 4, 4], 0);
    let plan = |ramp: &str, network: &str| {
        let settings = json!({
            "training": { "learning_rate": 0.01, "beta_ramp": ramp }, "methods": ["redo+l2_adam"],
            "schedules": [{ "name": "debiased", "scope": network }], "measure": { "interval": 2, "window": 3 }
        });
        plans(&ImageFacts::bare(IMAGES, "none"), &[&settings]).remove(0)
    };
    for scope in ["layer", "network"] {
        goes_on_with_the_same_bits(&set, &plan("paper", scope), [1, 5, 14]);
        let tasks = |ramp| finish(&mut Run::new(&plan(ramp, scope), &set).unwrap()).0;
        assert_ne!(tasks("paper"), tasks("off"), "the ramp does something");
    }
    let record = &plan("paper", "layer").options["training"];
    assert_eq!(record["beta_ramp"]["beta2"], 0.8745, "every record has it: {record}");
    assert!(plan("off", "layer").options["training"].get("beta_ramp").is_none());
}

#[test]
fn a_grid_compares_optimizers_each_with_options_of_its_own() {
    let planned = |training: Value| {
        let experiment = json!({
            "stream": { "tasks": 1, "epochs": 1 }, "training": training, "methods": ["relu"], "schedules": ["constant"],
            "seeds": 1, "grid": { "training.optimizer": ["sgd", "adam"] }
        });
        let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
        Plan::new(experiment, &ImageFacts::bare(IMAGES, "none"))
    };
    let runs = planned(json!({ "batch_size": 20 })).unwrap().runs;
    let found: Vec<(&str, f64)> = runs
        .iter()
        .map(|run| {
            let option = if run.training.optimizer == "sgd" { "momentum" } else { "beta1" };
            (run.method.label.as_str(), run.training.optimizer_options[option].as_f64().unwrap())
        })
        .collect();
    assert_eq!(found, [("relu@optimizer=sgd", 0.9), ("relu@optimizer=adam", 0.9)]);
    let refused = planned(json!({ "batch_size": 20, "beta1": 0.5 })).err().unwrap().to_string();
    assert!(refused.contains("`training.beta1`"), "what one of them does not have is refused by its key: {refused}");
}

#[test]
fn the_scheduler_acts_on_sgd() {
    let set = images(IMAGES, [1, 4, 4], 0);
    let plan = &sgd(json!({ "schedules": ["debiased"] }))[0];
    let mut run = Run::new(plan, &set).unwrap();
    finish(&mut run);
    assert!(run.learner().events().iter().any(|layer| layer.cooled > 0), "{:?}", run.learner().events());
    assert!(run.learner().learning_rates().iter().any(|&rate| rate < 0.05));
}

#[test]
fn an_option_of_another_optimizer_is_refused_with_its_key() {
    let refused = |training: Value| {
        let experiment = json!({
            "stream": { "tasks": 1, "epochs": 1 }, "training": training, "methods": ["relu"], "schedules": ["constant"], "seeds": 1
        });
        Experiment::from_value(experiment, "test.json", "test").unwrap_err().to_string()
    };
    let message = refused(json!({ "optimizer": "sgd", "beta1": 0.9 }));
    assert!(message.contains("`training.beta1`"), "{message}");
    let message = refused(json!({ "momentum": 0.9 }));
    assert!(message.contains("`training.momentum`"), "{message}");
    let message = refused(json!({ "optimizer": "sgd", "momentum": 1.5 }));
    assert!(message.contains("`training.momentum` is 1.5"), "{message}");
    let message = refused(json!({ "optimizer": "sdg" }));
    assert!(message.contains("`training.optimizer` is \"sdg\", expected one of adam, sgd"), "{message}");
}

#[test]
fn the_scheduler_acts_on_every_optimizer_with_an_effective_step() {
    let set = images(IMAGES, [1, 4, 4], 0);
    for name in ["adamw", "rmsprop", "muon"] {
        let settings = json!({
            "training": { "optimizer": name, "learning_rate": 0.05 }, "schedules": ["floor_only"],
            "measure": { "interval": 2, "window": 3 }, "control": { "floor": 1e-9 }
        });
        let plan = plans(&ImageFacts::bare(IMAGES, "none"), &[&settings]).remove(0);
        let mut run = Run::new(&plan, &set).unwrap();
        finish(&mut run);
        assert!(run.learner().events().iter().all(|layer| layer.cooled > 0), "{name}: {:?}", run.learner().events());
    }
}

#[test]
fn an_optimizer_that_does_not_fit_the_method_or_the_network_is_refused_before_anything_runs() {
    let of = |training: Value, method: &str, hidden: &[i64]| {
        let experiment = json!({
            "stream": { "tasks": 1, "epochs": 1 }, "training": training, "methods": ["relu", method], "schedules": ["constant"],
            "network": { "hidden": hidden }, "seeds": 1
        });
        let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
        Plan::new(experiment, &ImageFacts::bare(300, "none")).map(|plan| plan.runs.len()).map_err(|e| e.to_string())
    };
    for method in ["l2_adam", "adamw"] {
        let message = of(json!({ "optimizer": "adamw" }), method, &[8]).unwrap_err();
        let expected = format!(
            "`methods[1]` is \"{method}\", expected one that fits `training.optimizer` \"adamw\": the optimizer has a weight \
             decay of its own, and the method brings another"
        );
        assert!(message.contains(&expected), "{message}");
        assert_eq!(of(json!({ "optimizer": "adam" }), method, &[8]), Ok(2));
    }
    assert_eq!(of(json!({ "optimizer": "adamw" }), "l2_loss", &[8]), Ok(2));
    let message = of(json!({ "optimizer": "muon" }), "l2_adam", &[8]).unwrap_err();
    let expected = "`training.optimizer` is \"muon\", expected one that fits the network: Muon has nothing to do";
    assert!(message.contains(expected), "{message}");
    assert_eq!(of(json!({ "optimizer": "muon", "first_layer": "muon" }), "l2_adam", &[8]), Ok(2));
    assert_eq!(of(json!({ "optimizer": "muon" }), "adamw", &[8, 8]), Ok(2));
}

/// The book's optimizer has no effective step.
#[test]
fn a_schedule_that_acts_on_the_effective_step_is_refused_before_anything_runs() {
    let of = |schedule: &str| {
        let experiment = json!({
            "stream": { "tasks": 1, "epochs": 1 }, "training": { "optimizer": "sign", "batch_size": 20 }, "methods": ["relu"],
            "schedules": [schedule], "seeds": 1
        });
        Plan::new(Experiment::from_value(experiment, "test.json", "test").unwrap(), &ImageFacts::bare(IMAGES, "none"))
    };
    let message = of("debiased").err().unwrap().to_string();
    let expected = "`training.optimizer` is \"sign\", expected one with an effective step, which `debiased` acts on: its \
                    steps do not grow with the gradient";
    assert!(message.contains(expected), "{message}");
    assert_eq!(of("cosine").unwrap().runs.len(), 1, "a schedule that goes by the clock needs none");
}
