//! Runs in lock step are the same runs alone, to rounding; what each of them writes does not depend on the others.

use serde_json::{Value, json};
use trainability_baselines::registry::PARTS;
use trainability_record::{ControlRow, TaskRow};
use trainability_tensor::Stateful;
use trainability_tensor::slices::without_slices;

use super::{digits, images, plans_of};
use crate::data::ImageSet;
use crate::run::images::SharedImages;
use crate::run::{Lockstep, Run, RunDiverged, RunPlan, checkpoint};
use crate::schedule::SCHEDULES;
use crate::testing::runs::{self, begin, finish, first_difference, state_of, written};

/// What each run writes until it ends, and how.
type Written = (Vec<TaskRow>, Vec<ControlRow>, Option<RunDiverged>);

/// Trains runs in lock step, so many updates of each if so many are left.
fn advance(together: &mut Lockstep, count: usize, updates: u64) -> Vec<Written> {
    let mut rows: Vec<Written> = (0..count).map(|_| (Vec::new(), Vec::new(), None)).collect();
    let mut made = vec![0; count];
    let mut going: Vec<bool> = (0..count).map(|index| !together.run_mut(index).is_over()).collect();
    while (0..count).any(|index| going[index] && made[index] < updates) {
        for (index, advanced) in together.advance() {
            made[index] += 1;
            match advanced {
                Ok(advanced) => {
                    rows[index].1.extend(advanced.controls);
                    rows[index].0.extend(advanced.task);
                    going[index] = !together.run_mut(index).is_over();
                }
                Err(diverged) => {
                    rows[index].2 = Some(diverged);
                    going[index] = false;
                }
            }
            if !going[index] && made[index] < updates {
                together.leave(index);
            }
        }
    }
    rows
}

fn in_lockstep(set: &ImageSet, plans: &[RunPlan]) -> Vec<Written> {
    // As in a sweep, whose runs of one seed take the same images.
    let images = SharedImages::of(set);
    let runs = plans.iter().map(|plan| Run::sharing(plan, &images).unwrap());
    advance(&mut Lockstep::of(runs.collect()), plans.len(), u64::MAX)
}

fn alone(set: &ImageSet, plan: &RunPlan) -> Written {
    let (tasks, controls) = finish(&mut begin(plan, set));
    (tasks, controls, None)
}

/// The same values, numbers to a share of their size.
fn assert_close(found: &Written, expected: &Written, tolerance: f64, what: &str) {
    let tables = [(found.0.clone(), expected.0.clone()), (written(&found.1), written(&expected.1))];
    for (found, expected) in tables {
        assert_eq!(found.len(), expected.len(), "{what}: rows");
        for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
            for ((column, found), (_, expected)) in found.iter().zip(expected) {
                // Rounding moves the smallest eigenvalue of a kernel by a share of the largest.
                let condition = *column == "ntk_condition_number";
                let is_close = match (found.parse::<f64>(), expected.parse::<f64>()) {
                    (Ok(found), Ok(expected)) if found.is_finite() => {
                        let tolerance = if condition { tolerance * expected } else { tolerance };
                        (found - expected).abs() <= tolerance * expected.abs().max(1e-3)
                    }
                    _ => found == expected,
                };
                assert!(is_close, "{what}: {column} in row {row} is {found}, alone {expected}");
            }
        }
    }
    // A loss that is not a number is not equal to itself.
    let told = |written: &Written| written.2.as_ref().map(ToString::to_string);
    assert_eq!(told(found), told(expected), "{what}");
}

fn assert_same(found: &Written, expected: &Written, what: &str) {
    for (name, difference) in [
        ("tasks", first_difference(&found.0, &expected.0)),
        ("controls", first_difference(&written(&found.1), &written(&expected.1))),
    ] {
        assert_eq!(difference, None, "{what}: {name}");
    }
    // A loss that is not a number is not equal to itself.
    let told = |written: &Written| written.2.as_ref().map(ToString::to_string);
    assert_eq!(told(found), told(expected), "{what}");
}

/// Of 198 updates in f64, eigenvalues to many digits: an iteration that ends a product later is another number otherwise.
fn precisely(settings: &Value) -> Value {
    let mut precise = json!({
        "stream": { "tasks": 3, "epochs": 22 },
        "training": { "batch_size": 20, "learning_rate": 0.003, "precision": "f64" },
        "measure": { "interval": 25, "window": 3, "probe_images": 16, "lanczos": { "products": 200, "tolerance": 1e-8 } },
    });
    for (key, value) in settings.as_object().unwrap() {
        match (precise[key].as_object_mut(), value.as_object()) {
            (Some(section), Some(options)) => section.extend(options.clone()),
            _ => precise[key] = value.clone(),
        }
    }
    precise
}

fn are_the_same_alone(set: &ImageSet, settings: &Value) {
    assert_the_same_alone(set, &plans_of(set, precisely(settings)));
}

fn assert_the_same_alone(set: &ImageSet, plans: &[RunPlan]) {
    for (plan, found) in plans.iter().zip(in_lockstep(set, plans)) {
        assert_close(&found, &alone(set, plan), 1e-9, &plan.name());
    }
}

#[test]
fn every_part_of_a_method_is_trained_and_measured_as_alone() {
    let batch_norm = |name: &str| name == "batch_norm";
    let names: Vec<&str> = PARTS.iter().map(|part| part.name).filter(|name| !batch_norm(name)).collect();
    assert_eq!(names.len() + 1, PARTS.len());
    for name in names {
        let settings =
            json!({ "stream": { "tasks": 2, "epochs": 3 }, "methods": [name], "schedules": ["as_run"], "seeds": 2 });
        are_the_same_alone(&images(), &settings);
    }
    for (set, batch_size) in [(images(), 20), (digits(), 64)] {
        let methods = json!(["layer_norm", "layer_norm+l2_init", "layer_norm+wasserstein", "layer_norm+l2_adam"]);
        let training = json!({ "batch_size": batch_size });
        are_the_same_alone(&set, &json!({ "methods": methods, "training": training, "schedules": ["debiased"] }));
    }
}

#[test]
fn runs_of_several_methods_schedules_and_seeds_are_trained_together() {
    let rates = format!("{}/configs/smoke-rates.csv", env!("CARGO_MANIFEST_DIR"));
    let entry = |name| if name == "replay" { json!({ "name": name, "rates": rates }) } else { json!(name) };
    let schedules: Vec<Value> = SCHEDULES.iter().map(|kind| entry(kind.name)).collect();
    let methods = ["relu", "l2_adam", "l2_loss", "adamw", "wasserstein", "l2_init", "reset"];
    for (set, batch_size) in [(images(), 20), (digits(), 64)] {
        let training = json!({ "batch_size": batch_size });
        // Every method, and every schedule with one of them.
        let own = |(index, schedule): (usize, &Value)| {
            let methods = [methods[index % methods.len()]];
            let settings =
                json!({ "methods": methods, "schedules": [schedule], "seeds": [index], "training": training });
            plans_of(&set, precisely(&settings))
        };
        let plans: Vec<RunPlan> = schedules.iter().enumerate().flat_map(own).collect();
        assert!(plans.len() > methods.len());
        assert_the_same_alone(&set, &plans);
    }
    for training in [json!({ "optimizer": "sgd", "momentum": 0.9 }), json!({ "beta_ramp": "paper" })] {
        are_the_same_alone(&images(), &json!({ "methods": methods, "schedules": ["constant"], "training": training }));
    }
}

#[test]
fn by_tensor_operations_alone_as_on_a_gpu_it_is_the_same() {
    // Those of all penalties, weight decays and resets that are followed together, and one with rules of its own.
    let methods = [
        json!([
            "relu",
            "l2_adam",
            "l2_loss",
            "adamw",
            "wasserstein",
            "l2_init",
            "reset",
            "reset+wasserstein",
            "reset+l2_init"
        ]),
        json!(["layer_norm", "layer_norm+l2_loss", "layer_norm+wasserstein", "layer_norm+l2_init+adamw"]),
        json!(["crelu", "crelu+wasserstein"]),
        json!(["wasserstein", "l2_loss+wasserstein+gradient_clipping"]),
    ];
    let sgd = json!({ "optimizer": "sgd", "learning_rate": 0.05 });
    let nesterov = json!({ "optimizer": "sgd", "nesterov": true, "learning_rate": 0.05 });
    // The options that read most of an optimizer's memory.
    let global = json!({
        "methods": ["relu", "l2_adam+l2_loss"], "schedules": ["as_run"], "seeds": 2,
        "measure": { "interval": 10, "sharpness_scale": "global", "effective_step": "elementwise", "lanczos": { "tolerance": 1e-8 } }
    });
    let smooth = json!({ "methods": ["tanh", "tanh+wasserstein"], "schedules": ["as_run"], "seeds": 1 });
    without_slices(|| [&global, &smooth].into_iter().for_each(|settings| are_the_same_alone(&images(), settings)));
    for (methods, training) in methods.iter().zip([json!({}), json!({ "beta_ramp": "paper" }), sgd, nesterov]) {
        let schedules = json!(["as_run", "linear", { "name": "debiased", "scope": "network", "beta": 50.0 }]);
        let stream = json!({ "tasks": 2, "epochs": 3 });
        let settings =
            json!({ "stream": stream, "methods": methods, "schedules": schedules, "seeds": [3], "training": training });
        without_slices(|| are_the_same_alone(&images(), &settings));
    }
    // Some optimizers step alone, and are no less measured.
    for name in ["adamw", "rmsprop", "muon"] {
        let training = json!({ "optimizer": name, "learning_rate": 0.01 });
        let settings =
            json!({ "methods": ["relu", "wasserstein"], "schedules": ["as_run"], "seeds": 2, "training": training });
        are_the_same_alone(&images(), &settings);
        without_slices(|| are_the_same_alone(&images(), &settings));
    }
    let both = json!({ "methods": ["l2_adam", "wasserstein"], "schedules": ["as_run"], "seeds": 2 });
    without_slices(|| are_the_same_alone(&digits(), &both));
}

fn bits(set: &ImageSet) -> Vec<RunPlan> {
    let methods = json!(["l2_adam", "wasserstein", "reset", "relu"]);
    let batch_size = if set.count > 64 { 64 } else { 20 };
    let settings = json!({
        "methods": methods, "schedules": ["constant", "as_run"], "training": { "batch_size": batch_size }, "seeds": 2
    });
    plans_of(set, settings)
}

fn do_not_depend_on_each_other() {
    for set in [images(), digits()] {
        let plans = bits(&set);
        let together = in_lockstep(&set, &plans);
        for (plan, together) in plans.iter().zip(&together) {
            let single = in_lockstep(&set, std::slice::from_ref(plan));
            assert_same(together, &single[0], &plan.name());
        }
    }
}

#[test]
fn what_a_run_writes_does_not_depend_on_the_others() {
    do_not_depend_on_each_other();
}

#[test]
fn nor_does_it_at_the_size_of_the_papers_network() {
    // Products of that size take other ways through a matrix library than small ones.
    let set = runs::images(600, [1, 28, 28], 205);
    let settings = json!({
        "methods": ["relu", "wasserstein", "l2_adam"], "network": { "hidden": [256, 256] }, "stream": { "tasks": 1, "epochs": 3 },
        "training": { "batch_size": 256 }, "measure": { "interval": 5, "probe_images": 16 }
    });
    let plans = plans_of(&set, settings);
    let together = in_lockstep(&set, &plans);
    for (plan, together) in plans.iter().zip(&together) {
        assert_same(together, &alone(&set, plan), "by itself");
    }
    assert_same(&in_lockstep(&set, &plans[1..2])[0], &together[1], "a crew of one");
    in_lockstep(&set, &plans[..2])
        .iter()
        .zip(&together)
        .for_each(|(two, three)| assert_same(two, three, "two of three"));
}

/// The run after a checkpoint, as another process finds it.
fn restored(set: &ImageSet, plan: &RunPlan, run: &Run) -> Run {
    let state = checkpoint::from_bytes(&checkpoint::to_bytes(&state_of(run)).unwrap()).unwrap();
    let mut restored = begin(plan, set);
    restored.restore(&state).unwrap();
    restored
}

#[test]
fn it_goes_on_from_checkpoints_with_the_same_bits_even_where_they_are_of_different_updates() {
    go_on_with_the_same_bits();
}

fn go_on_with_the_same_bits() {
    for set in [images(), digits()] {
        let plans = bits(&set);
        let whole = in_lockstep(&set, &plans);
        // One after the other is stopped: in a task, at its end, and before the first update.
        let stops = [7, 3, 0, 4];
        let mut parts: Vec<(Run, Written)> = Vec::new();
        for (index, plan) in plans.iter().enumerate() {
            let mut first = Lockstep::of(vec![begin(plan, &set)]);
            let rows = advance(&mut first, 1, stops[index % stops.len()]).remove(0);
            parts.push((restored(&set, plan, first.run_mut(0)), rows));
        }
        let (runs, before): (Vec<Run>, Vec<Written>) = parts.into_iter().unzip();
        let after = advance(&mut Lockstep::of(runs), plans.len(), u64::MAX);
        for (((mut rows, rest), whole), plan) in before.into_iter().zip(after).zip(&whole).zip(&plans) {
            rows.0.extend(rest.0);
            rows.1.extend(rest.1);
            rows.2 = rest.2;
            assert_same(&rows, whole, &plan.name());
        }
    }
}

#[test]
fn a_run_that_diverges_leaves_the_others_as_they_are() {
    let of_rate = |rate: f64| {
        let settings =
            json!({ "methods": ["relu", "l2_loss"], "schedules": [{ "name": "constant", "learning_rate": rate }] });
        plans_of(&images(), settings)
    };
    let mut plans = of_rate(0.01);
    plans.splice(1..1, of_rate(1e30));
    let found = in_lockstep(&images(), &plans);
    for (plan, found) in plans.iter().zip(&found) {
        let single = in_lockstep(&images(), std::slice::from_ref(plan));
        assert_same(found, &single[0], &plan.name());
    }
    let diverged: Vec<bool> = found.iter().map(|written| written.2.is_some()).collect();
    assert_eq!(diverged, [false, true, true, false]);
    let (alone, _) = until_it_diverges(&mut begin(&plans[1], &images()));
    assert_eq!(found[1].2.as_ref().map(|diverged| (diverged.task, diverged.update)), Some((alone.task, alone.update)));
}

/// How a run ends, and the tasks that it made before.
fn until_it_diverges(run: &mut Run) -> (RunDiverged, Vec<TaskRow>) {
    let mut rows = Vec::new();
    loop {
        match run.advance() {
            Ok(advance) => rows.extend(advance.task),
            Err(diverged) => return (diverged, rows),
        }
    }
}

#[test]
fn a_run_that_diverges_before_its_losses_are_read_ends_where_it_would_alone() {
    // A rate that is multiplied by the file leaves the real numbers in the second task, between two measured updates.
    let set = images();
    let layers = ["fc1", "fc2", "fc3"];
    let row = |update: u64, layer: &str| format!("{update},{layer},{}\n", if update <= 30 { 1e-3 } else { 1e300 });
    let rates: String = (1..=66).flat_map(|update| layers.map(|layer| row(update, layer))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("update,layer,learning_rate\n{rates}")).unwrap();
    let entry = json!({ "name": "replay", "rates": file.path() });
    let mut plans = plans_of(&set, precisely(&json!({ "methods": ["relu"], "schedules": ["constant"], "seeds": 2 })));
    plans.extend(plans_of(
        &set,
        precisely(&json!({ "methods": ["relu", "l2_loss"], "schedules": [entry], "seeds": 2 })),
    ));
    without_slices(|| {
        let images = SharedImages::of(&set);
        let runs = plans.iter().map(|plan| Run::sharing(plan, &images).unwrap());
        let mut together = Lockstep::of(runs.collect());
        let mut going: Vec<usize> = (0..plans.len()).collect();
        while !going.is_empty() {
            for (index, advanced) in together.advance() {
                let run = together.run_mut(index);
                match advanced {
                    Err(diverged) => {
                        let mut alone = begin(&plans[index], &set);
                        let (expected, _) = until_it_diverges(&mut alone);
                        let place = |end: &RunDiverged| (end.what, end.task, end.update, end.value.is_nan());
                        assert_eq!(place(&diverged), place(&expected));
                        assert!((diverged.last_finite - expected.last_finite).abs() < 1e-12);
                        assert_eq!(run.learner().updates(), alone.learner().updates());
                        assert_eq!(run.learner().last_finite_loss(), Some(diverged.last_finite));
                    }
                    Ok(_) if run.is_over() => assert!(index < 2),
                    Ok(_) => continue,
                }
                going.retain(|other| *other != index);
                together.leave(index);
            }
        }
    });
}

#[test]
fn runs_of_one_seed_have_one_minibatch_whatever_the_stream() {
    for (kind, recurring, transition) in
        [("random_labels", 0, 0.0), ("pixel_permutation", 0, 0.5), ("label_permutation", 2, 0.0)]
    {
        let stream = json!({ "kind": kind, "recurring": recurring, "transition": transition });
        let settings = json!({ "methods": ["relu", "l2_loss"], "schedules": ["as_run"], "stream": stream, "seeds": 2 });
        are_the_same_alone(&digits(), &settings);
    }
    for (stream, noise) in [
        (json!({ "kind": "pixel_permutation", "sample": 64 }), "minibatch"),
        (json!({ "kind": "random_labels", "sample": 70 }), "probe"),
    ] {
        let methods = json!(["relu", "l2_loss"]);
        let settings =
            json!({ "methods": methods, "schedules": ["debiased"], "stream": stream, "measure": { "noise": noise } });
        are_the_same_alone(&digits(), &settings);
    }
}

/// Runs whose last layer sees large features, and runs whose first layer passes nothing on.
fn sharp_and_dead(set: &ImageSet, plans: &[RunPlan]) -> Vec<Run> {
    let _guard = tch::no_grad_guard();
    let images = SharedImages::of(set);
    let begin = |(index, plan): (usize, &RunPlan)| {
        let mut run = Run::sharing(plan, &images).unwrap();
        let layers = run.learner.model_mut().layers_mut();
        match index % 2 {
            // The same function, with large features and small weights at the end.
            0 => {
                drop(layers[0].parameters[0].value.g_mul_scalar_(100.0));
                drop(layers[2].parameters[0].value.g_div_scalar_(100.0));
            }
            _ => drop(layers[0].parameters[1].value.fill_(-1e6)),
        }
        run
    };
    plans.iter().enumerate().map(begin).collect()
}

#[test]
fn a_sharpness_of_thousands_and_a_dead_layer_are_measured_as_alone() {
    let set = images();
    for (precision, tolerance) in [("f64", 1e-9), ("f32", 1e-3)] {
        let training = json!({ "batch_size": 20, "learning_rate": 1e-5, "precision": precision });
        let settings = json!({
            "methods": ["relu", "wasserstein"], "schedules": ["as_run"], "seeds": 2, "training": training, "stream": { "tasks": 1, "epochs": 8 },
            "measure": { "interval": 6, "probe_images": 16, "lanczos": { "products": 200, "tolerance": 1e-8 } }
        });
        let plans = plans_of(&set, settings);
        let together =
            without_slices(|| advance(&mut Lockstep::of(sharp_and_dead(&set, &plans)), plans.len(), u64::MAX));
        for (index, (mut run, found)) in sharp_and_dead(&set, &plans).into_iter().zip(together).enumerate() {
            let (tasks, controls) = finish(&mut run);
            let sharpness = |row: &ControlRow| row.value("sharpness").unwrap();
            let largest = controls.iter().map(sharpness).fold(0.0, f64::max);
            match index % 2 {
                0 => assert!(largest > 1e3, "{largest}"),
                // But for what the Wasserstein penalty adds.
                _ => assert!(controls.iter().any(|row| sharpness(row).abs() < 0.011), "a layer is flat"),
            }
            let what = format!("{precision} {}", plans[index].name());
            for (row, expected) in found.1.iter().zip(&controls) {
                let [own, expected] = [row, expected].map(sharpness);
                assert!(
                    (own - expected).abs() <= tolerance * expected.abs().max(1e-3),
                    "{what}: {own} is not {expected}"
                );
            }
            assert_eq!(found.1.len(), controls.len());
            if precision == "f64" {
                assert_close(&found, &(tasks, controls, None), tolerance, &what);
            }
        }
    }
}
