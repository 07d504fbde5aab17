//! Whole runs with another optimizer than Adam.

use serde_json::{Value, json};

use crate::experiment::{Experiment, ImageFacts, Plan};
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
