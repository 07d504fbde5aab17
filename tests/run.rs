//! Whole runs on a tiny stream: measuring changes nothing, a restored run goes on with the same bits, and what a run
//! cannot do is recorded.

use serde_json::{Value, json};
use trainability::config::{Experiment, ImageFacts, Plan, RunPlan};
use trainability::data::ImageSet;
use trainability::random::Generator;
use trainability::train::recorder::TaskRow;
use trainability::train::{ControlRow, Run, checkpoint};
use trainability_baselines::{State, Stateful};

fn images() -> ImageSet {
    // As in a sweep: several threads in each of several tests only wait for each other.
    tch::set_num_threads(1);
    let count = 48;
    let pixels = Generator::named("pixels", 0).labels(count * 16, 256);
    ImageSet {
        name: "synthetic".to_owned(),
        images: Vec::<i64>::try_from(pixels).unwrap().into_iter().map(|pixel| pixel as u8).collect(),
        labels: vec![0; count],
        count,
        rows: 4,
        columns: 4,
        channels: 1,
        classes: 10,
        checksum: "none".to_owned(),
    }
}

/// Images whose background, four pixels of five, is left out in minibatches of 64.
fn digits() -> ImageSet {
    let mut set = images();
    set.count = 96;
    let pixels = Generator::named("pixels", 1).labels(set.count * 16, 256);
    let pixels = Vec::<i64>::try_from(pixels).unwrap().into_iter();
    set.images = pixels.map(|pixel| if pixel < 205 { 0 } else { pixel as u8 }).collect();
    set.labels = vec![0; set.count];
    set
}

fn plans(settings: Value) -> Vec<RunPlan> {
    plans_of(&images(), settings)
}

fn plans_of(set: &ImageSet, settings: Value) -> Vec<RunPlan> {
    let mut experiment = json!({
        "stream": { "tasks": 3, "epochs": 3 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 20, "learning_rate": 0.01 },
        "measure": { "interval": 2, "window": 3, "probe_images": 16 },
        "control": { "cool": 0.9, "floor": 0.0 },
        "methods": ["relu"],
        "schedules": ["constant"],
        "seeds": 1
    });
    for (key, value) in settings.as_object().unwrap() {
        experiment[key] = value.clone();
    }
    let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
    Plan::new(experiment, &ImageFacts { count: set.count, checksum: "none".to_owned() }).unwrap().runs
}

/// Everything that a run writes, from where it stands to its end.
fn finish(run: &mut Run) -> (Vec<TaskRow>, Vec<ControlRow>) {
    let (mut tasks, mut controls) = (Vec::new(), Vec::new());
    while !run.is_over() {
        let advance = run.advance().unwrap();
        controls.extend(advance.controls);
        tasks.extend(advance.task);
    }
    (tasks, controls)
}

fn accuracies(tasks: &[TaskRow]) -> Vec<String> {
    let wanted = ["task", "updates", "online_accuracy", "final_accuracy", "final_loss"];
    tasks.iter().flatten().filter(|(name, _)| wanted.contains(name)).map(|(_, field)| field.clone()).collect()
}

#[test]
fn measuring_never_changes_training() {
    for (set, batch_size) in [(images(), 20), (digits(), 64)] {
        for method in ["relu", "crelu+wasserstein", "l2_adam", "reset"] {
            let train = |interval: u64| {
                let settings = json!({
                    "methods": [method],
                    "training": { "batch_size": batch_size, "learning_rate": 0.01 },
                    "measure": { "interval": interval, "window": 3 }
                });
                accuracies(&finish(&mut Run::new(&plans_of(&set, settings)[0], &set)).0)
            };
            let never = train(0);
            assert_eq!(never.len(), 3 * 5);
            assert_eq!(train(1), never, "{method}");
            assert_eq!(train(10), never, "{method}");
        }
    }
}

#[test]
fn every_method_and_schedule_goes_on_from_a_checkpoint_with_the_same_bits() {
    let methods = json!(["relu", "crelu", "l2_adam", "l2_loss", "adamw", "wasserstein", "crelu+wasserstein", "reset"]);
    let schedules = json!(["constant", "paper", "as_run", "debiased", "noise_curvature"]);
    let dense = plans(json!({ "methods": methods, "schedules": schedules }));
    assert_eq!(dense.len(), 7 * 5 + 1);
    let sparse = plans_of(&digits(), json!({ "training": { "batch_size": 64 }, "schedules": ["debiased"] }));
    let of = |set: ImageSet, plans: Vec<RunPlan>| plans.into_iter().map(move |plan| (plan, set.clone()));
    for (plan, set) in of(images(), dense).chain(of(digits(), sparse)) {
        let mut whole = Run::new(&plan, &set);
        let expected = finish(&mut whole);
        // In the middle of a task, at a task's end, and before the first update.
        for stop in [0, 5, 9] {
            let mut first = Run::new(&plan, &set);
            let (mut tasks, mut controls) = (Vec::new(), Vec::new());
            for _ in 0..stop {
                let advance = first.advance().unwrap();
                controls.extend(advance.controls);
                tasks.extend(advance.task);
            }
            let mut state = State::default();
            first.save(&mut state);
            let state = checkpoint::from_bytes(&checkpoint::to_bytes(&state).unwrap()).unwrap();
            // Another run has moved on before it takes the state over: nothing of its own may be left.
            let mut second = Run::new(&plan, &set);
            (0..7).for_each(|_| drop(second.advance().unwrap()));
            second.restore(&state).unwrap();
            let rest = finish(&mut second);
            tasks.extend(rest.0);
            controls.extend(rest.1);
            assert_eq!((&tasks, &controls), (&expected.0, &expected.1), "{} stopped at {stop}", plan.name());
            assert_eq!(second.events(), whole.events());
        }
    }
}

#[test]
fn a_state_of_another_network_is_refused_by_name() {
    let mut state = State::default();
    Run::new(&plans(json!({}))[0], &images()).save(&mut state);
    let other = plans(json!({ "network": { "hidden": [12, 9] } }));
    let message = Run::new(&other[0], &images()).restore(&state).unwrap_err().to_string();
    assert!(message.contains("network/fc2.weight"), "{message}");
}

/// With a rate that moves nothing, accuracy follows from initialisation, images, labels and their order alone.
#[test]
fn the_same_seed_gives_every_arm_the_same_images_labels_and_order() {
    let settings = json!({
        "training": { "batch_size": 20, "learning_rate": 1e-30 },
        "methods": ["relu", "l2_adam", "l2_loss", "wasserstein"],
        "schedules": ["constant", "paper", "debiased"],
        "seeds": 2
    });
    let of_seed = |seed: u64| -> Vec<Vec<String>> {
        let plans = plans(settings.clone()).into_iter().filter(|plan| plan.seed == seed);
        plans.map(|plan| accuracies(&finish(&mut Run::new(&plan, &images())).0)).collect()
    };
    let (first, second) = (of_seed(0), of_seed(1));
    assert_eq!(first.len(), 12);
    assert!(first.iter().all(|arm| *arm == first[0]));
    assert!(second.iter().all(|arm| *arm == second[0]));
    assert_ne!(first[0], second[0]);
}

#[test]
fn a_run_that_leaves_the_real_numbers_says_where() {
    let settings = json!({ "training": { "batch_size": 20, "learning_rate": 1e30 } });
    let mut run = Run::new(&plans(settings)[0], &images());
    let diverged = loop {
        match run.advance() {
            Ok(_) => assert!(!run.is_over(), "a rate of 1e30 must diverge"),
            Err(diverged) => break diverged,
        }
    };
    assert_eq!(diverged.task, 0);
    assert!(!diverged.value.is_finite() && diverged.last_finite.is_finite());
    assert!(diverged.to_string().contains("in task 0, at update"), "{diverged}");
}

#[test]
fn a_constant_schedule_takes_no_decisions_and_a_floor_out_of_reach_keeps_a_controller_still() {
    let mut constant = Run::new(&plans(json!({}))[0], &images());
    let (_, controls) = finish(&mut constant);
    assert!(constant.events().is_empty() && !constant.is_scheduled());
    assert!(controls.iter().all(|row| row.action.is_empty() && row.learning_rate == 0.01));
    let settings = json!({ "schedules": ["paper"], "control": { "floor": 1e9, "warm_window": "off" } });
    let mut still = Run::new(&plans(settings)[0], &images());
    let (_, controls) = finish(&mut still);
    assert!(still.is_scheduled());
    assert!(still.events().iter().all(|layer| layer.cooled + layer.warmed == 0 && layer.held > 0));
    assert!(controls.iter().all(|row| row.action == "held"));
}

#[test]
fn reset_starts_every_task_from_fresh_weights() {
    let settings = json!({ "methods": ["relu", "reset"], "stream": { "tasks": 4, "epochs": 150 } });
    let plans = plans(settings);
    let weight_norms = |plan: &RunPlan| -> Vec<f64> {
        let (tasks, _) = finish(&mut Run::new(plan, &images()));
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
