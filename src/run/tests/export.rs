//! What is exported is what the run used: a learner that has the files alone comes to the same bits.

use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability_record::tasks::read_tasks;
use trainability_tensor::{Generator, State};

use super::images;
use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::learner::{Learner, Task};
use crate::model::TaskImages;
use crate::run::{RunPlan, export_run};
use crate::schedule::Progress;
use crate::testing::runs::{begin, finish, plans};

/// 48 images of all ten classes.
fn classed() -> ImageSet {
    let set = images();
    ImageSet { labels: (0..set.count).map(|image| (image * 7 % 10) as u8).collect(), ..set }
}

fn load(path: &Path) -> State {
    let bytes = fs::read(path).unwrap();
    let mut state = State::default();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::I64 => Kind::Int64,
            other => panic!("{name} is of type {other:?}"),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&length| length as i64).collect();
        state.tensors.insert(name.to_owned(), Tensor::from_data_size(view.data(), &shape, kind));
    }
    state
}

fn settings(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("export.json")).unwrap()).unwrap()
}

/// Losses and accuracies of all updates, and of each task the accuracy and the loss over all images at its end, of a learner
/// that is built of the method's parts and trained on what the files hold.
fn trained_again(plan: &RunPlan, set: &ImageSet, folder: &Path) -> (Vec<[f64; 2]>, Vec<[f64; 2]>) {
    let stream = load(&folder.join("stream.safetensors"));
    let [originals, labels, minibatches, sizes, tasks] =
        ["images", "labels", "minibatches", "sizes", "tasks"].map(|name| &stream.tensors[name]);
    let method = plan.method.build();
    let architecture = plan.architecture(set, &method);
    let mut generator = Generator::named("another", 1);
    let mut model = architecture.build(method.activation, method.normalization, Device::Cpu, &mut generator);
    model.restore(&load(&folder.join("initial.safetensors"))).unwrap();
    let builder = Learner::with_optimizer(model, plan.training.optimizer_factory()).rules(method.rules);
    let mut learner = builder.learning_rate(plan.training.learning_rate).every(0).build().unwrap();
    let [sizes, tasks] = [sizes, tasks].map(|numbers| Vec::<i64>::try_from(numbers).unwrap());
    let batches = minibatches.split_with_sizes(sizes.as_slice(), 0);
    let (mut losses, mut ends) = (Vec::new(), Vec::new());
    for (update, (batch, task)) in batches.iter().zip(&tasks).enumerate() {
        let images = match stream.tensors.get("pixels") {
            None => originals.shallow_clone(),
            Some(pixels) => originals.index_select(1, &pixels.get(*task)),
        };
        let begins_dense = !plan.network.sees_pixels();
        let inputs = TaskImages::new(&images, begins_dense.then_some(plan.training.batch_size)).inputs(batch);
        let labels = labels.get(*task);
        let whole = Task { inputs: &images, chosen: None, labels: &labels };
        let progress = Progress::in_one_task(update as u64, tasks.len() as u64);
        let made = learner.update_in(inputs, &labels.index_select(0, batch), progress, whole).unwrap();
        losses.push([made.loss, made.accuracy]);
        if tasks.get(update + 1) != Some(task) {
            let (accuracy, loss) = learner.evaluate(whole.count(), |first, length| whole.part(first, length));
            ends.push([accuracy, loss]);
        }
    }
    (losses, ends)
}

fn column(text: &[u8], name: &str) -> Vec<f64> {
    read_tasks(Path::new("tasks.csv"), text).unwrap()[name].iter().map(|value| value.unwrap()).collect()
}

/// `tasks.csv` of the run as a sweep makes it.
fn tasks_csv(plan: &RunPlan, set: &ImageSet) -> Vec<u8> {
    let (rows, _) = finish(&mut begin(plan, set));
    let line = |fields: Vec<&str>| fields.join(",") + "\n";
    let header = line(rows[0].iter().map(|(name, _)| *name).collect());
    let rows = rows.iter().map(|row| line(row.iter().map(|(_, field)| field.as_str()).collect()));
    std::iter::once(header).chain(rows).collect::<String>().into_bytes()
}

#[test]
fn a_learner_that_has_the_files_alone_comes_to_the_bits_of_the_run() {
    let set = classed();
    let precise = json!({ "training": { "precision": "f64" }, "methods": ["relu", "crelu+wasserstein+l2_adam"] });
    let sgd = json!({ "training": { "optimizer": "sgd" }, "methods": ["layer_norm+l2_loss"] });
    let convolutional = json!({ "network": { "kind": "convolutional", "channels": [3], "hidden": [6] } });
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        // All images lie as in their files, a part of them as it was drawn.
        for count in [48, 40] {
            let stream = json!({ "stream": { "kind": kind }, "data": { "images": count } });
            for options in [&precise, &sgd, &convolutional] {
                for plan in plans(&ImageFacts::of(&set), &[&stream, options]) {
                    let folder = tempfile::tempdir().unwrap();
                    export_run(&plan, &set, plan.updates(), folder.path()).unwrap();
                    let (losses, ends) = trained_again(&plan, &set, folder.path());
                    let place = format!("{} of {count}, {kind}, {options}", plan.name());
                    let [loss, accuracy] = [0, 1].map(|part| losses.iter().map(|made| made[part]).collect::<Vec<_>>());

                    let written = fs::read_to_string(folder.path().join("losses.csv")).unwrap();
                    let rows: Vec<Vec<&str>> = written.lines().map(|line| line.split(',').collect()).collect();
                    assert_eq!(rows[0], ["update", "task", "loss", "accuracy"]);
                    let own = rows[1..].iter().map(|row| row[2].parse::<f64>().unwrap());
                    assert_eq!(own.collect::<Vec<_>>(), loss, "{place}");

                    let expected = tasks_csv(&plan, &set);
                    let of_task = accuracy.chunks(accuracy.len() / 3);
                    let online: Vec<f64> = of_task.map(|all| all.iter().sum::<f64>() / all.len() as f64).collect();
                    assert_eq!(online, column(&expected, "online_accuracy"), "{place}");
                    let [final_accuracy, final_loss] = [0, 1].map(|part| ends.iter().map(move |end| end[part]));
                    assert_eq!(final_accuracy.collect::<Vec<_>>(), column(&expected, "final_accuracy"), "{place}");
                    for (found, expected) in final_loss.zip(column(&expected, "final_loss")) {
                        // The mean over the same images in another order.
                        let apart = if count == set.count { 1e-6 } else { 0.0 };
                        assert!((found - expected).abs() <= apart, "{place}: {found}, expected {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_tasks_do_not_show_is_not_in_their_minibatches() {
    let set = classed();
    for stream in [
        json!({ "kind": "random_labels", "sample": 30 }),
        json!({ "kind": "pixel_permutation", "sample": 30, "recurring": 2 }),
        json!({ "kind": "class_incremental", "classes_per_task": 3 }),
    ] {
        for count in [48, 40] {
            let settings = json!({ "stream": stream, "data": { "images": count } });
            let plan = &plans(&ImageFacts::of(&set), &[&settings])[0];
            let folder = tempfile::tempdir().unwrap();
            export_run(plan, &set, plan.updates(), folder.path()).unwrap();
            let (losses, _) = trained_again(plan, &set, folder.path());
            let written = fs::read_to_string(folder.path().join("losses.csv")).unwrap();
            let own = written.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse::<f64>().unwrap());
            assert_eq!(own.collect::<Vec<_>>(), losses.iter().map(|made| made[0]).collect::<Vec<_>>(), "{stream}");
        }
    }
}

#[test]
fn settings_and_rates_are_those_of_the_run() {
    let set = classed();
    let options = json!({
        "methods": [{ "label": "mine", "parts": ["l2_loss", { "name": "leaky_relu", "slope": 0.1 }] }],
        "schedules": [{ "label": "falls", "name": "linear", "end_factor": 0.5 }]
    });
    let plan = plans(&ImageFacts::of(&set), &[&options]).remove(0);
    let folder = tempfile::tempdir().unwrap();
    export_run(&plan, &set, 12, folder.path()).unwrap();
    let settings = settings(folder.path());
    let expected = json!({
        "format": 1,
        "run": "mine/falls/seed-0",
        "configuration_hash": plan.hash,
        "updates": 12,
        "tasks": 2,
        "updates_of_run": 27,
        "precision": "f32",
        "network": {
            "kind": "mlp",
            "filters": null,
            "stride": null,
            "image": [1, 4, 4],
            "classes": 10,
            "layers": ["fc1", "fc2", "fc3"],
            "activation": { "name": "leaky_relu", "options": { "slope": 0.1 } }
        },
        "optimizer": { "name": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8 },
        "parts": [{ "name": "l2_loss", "options": { "coefficient": 1e-3 } }],
        "schedule": "falls",
        "announce_boundaries": false,
        "options": plan.options
    });
    assert_eq!(settings, expected);
    let stream = load(&folder.path().join("stream.safetensors"));
    let sizes =
        [("images", vec![48, 16]), ("labels", vec![2, 48]), ("learning_rates", vec![12, 3]), ("tasks", vec![12])];
    for (name, size) in sizes {
        assert_eq!(stream.tensors[name].size(), size, "{name}");
    }
    let rates = &stream.tensors["learning_rates"];
    for update in 0..12 {
        let expected = 0.01 * (1.0 - 0.5 * update as f64 / 27.0);
        let found = rates.double_value(&[update, 1]);
        assert!((found - expected).abs() < 0.01 * 0.03, "{update}: {found}, expected about {expected}");
    }
    assert!(rates.double_value(&[11, 0]) < rates.double_value(&[0, 0]));
}

#[test]
fn what_another_program_cannot_follow_is_refused() {
    let set = classed();
    let folder = tempfile::tempdir().unwrap();
    let refused = |options: Value, updates: u64| {
        let plan = plans(&ImageFacts::of(&set), &[&options]).remove(0);
        export_run(&plan, &set, updates, folder.path()).unwrap_err().to_string()
    };
    for part in ["reset", "shrink_perturb", "redo", "continual_backprop", "upgd", "sharpness_aware", "l2_er"] {
        let message = refused(json!({ "methods": [part] }), 3);
        assert!(message.contains(&format!("`{part}` acts on the network or passes through it")), "{message}");
    }
    let message = refused(json!({ "stream": { "transition": 0.5 } }), 3);
    assert!(message.contains("`stream.transition` is 0.5"), "{message}");
    for updates in [0, 28] {
        let message = refused(json!({}), updates);
        assert!(message.contains(&format!("--updates is {updates}, expected from 1 to 27")), "{message}");
    }
    let message = refused(json!({ "training": { "optimizer": "sgd", "learning_rate": 1e30 } }), 20);
    assert!(message.contains("expected --updates below that"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let message = refused(json!({}), 3);
    assert!(message.contains("notes.txt is in the folder for the export"), "{message}");
}
