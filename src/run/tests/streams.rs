//! Whole runs on every kind of stream with every option.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_record::TaskRow;
use trainability_tensor::{Generator, State};

use crate::data::ImageSet;
use crate::experiment::ImageFacts;
use crate::model::{Chain, Model, Pass, Shape, cross_entropy, gradients};
use crate::optimizer::{Adam, AdamOptions, Optimizer};
use crate::run::{RunPlan, select_images};
use crate::stream::{Stream, StreamStart};
use crate::testing::runs::{self, begin, finish, state_of};

const IMAGES: usize = 48;

/// Images of 4 x 4 pixels; `background` of 255 pixel values are the background, which is left out in minibatches of 64 or
/// more where that is most of them.
fn images(count: usize, background: i64) -> ImageSet {
    let labels = (0..count).map(|image| (image * image % 10) as u8).collect();
    ImageSet { labels, ..runs::images(count, [1, 4, 4], background) }
}

/// Three tasks of three epochs of three updates, changed by some settings.
fn plans(set: &ImageSet, settings: &Value) -> Vec<RunPlan> {
    runs::plans(&ImageFacts::of(set), &[&json!({ "schedules": ["debiased"] }), settings])
}

/// The `stream` sections that there should be: every kind, with and without every option.
fn streams() -> Vec<Value> {
    let mut streams = vec![json!({ "fraction": 0.3 }), json!({ "fraction": 0.3, "recurring": 2, "transition": 0.4 })];
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        for options in [
            json!({}),
            json!({ "recurring": 2 }),
            json!({ "transition": 0.6 }),
            json!({ "length_spread": 0.6 }),
            json!({ "announce_boundaries": true }),
            json!({ "recurring": 2, "transition": 1.0, "length_spread": 0.6, "announce_boundaries": true }),
        ] {
            let mut stream = options;
            stream["kind"] = json!(kind);
            streams.push(stream);
        }
    }
    streams.extend([
        json!({ "sample": 30 }),
        json!({ "kind": "label_permutation", "sample": 30, "recurring": 2 }),
        json!({ "kind": "pixel_permutation", "sample": 30 }),
        json!({ "kind": "pixel_permutation", "sample": 30, "recurring": 2, "transition": 0.6, "length_spread": 0.6 }),
        json!({ "kind": "class_incremental" }),
        json!({ "kind": "class_incremental", "classes_per_task": 1, "sample": 3 }),
        json!({ "kind": "class_incremental", "classes_per_task": 4, "recurring": 2, "length_spread": 0.6 }),
    ]);
    streams
}

/// Whether a stream's tasks have enough images for such minibatches.
fn fits(stream: &Value, batch_size: usize) -> bool {
    stream["sample"].as_u64().is_none_or(|sample| sample as usize >= batch_size)
}

/// Minibatches of a stream whose tasks may have few images.
fn batch_size_of(stream: &Value, batch_size: usize) -> usize {
    if fits(stream, batch_size) { batch_size } else { 2 }
}

fn column(tasks: &[TaskRow], wanted: &str) -> Vec<String> {
    tasks.iter().flatten().filter(|(name, _)| *name == wanted).map(|(_, field)| field.clone()).collect()
}

#[test]
fn every_stream_goes_on_from_a_checkpoint_with_the_same_bits() {
    for (set, batch_size) in [(images(IMAGES, 0), 20), (images(96, 205), 64)] {
        // What is sparse matters to images alone.
        let streams = streams().into_iter().filter(|stream| batch_size == 20 || stream["kind"] == "pixel_permutation");
        for stream in streams {
            let settings =
                json!({ "training": { "batch_size": batch_size_of(&stream, batch_size) }, "stream": stream });
            let plan = &plans(&set, &settings)[0];
            let expected = finish(&mut begin(plan, &set));
            assert_eq!(column(&expected.0, "updates").last(), Some(&plan.updates().to_string()));
            let total = plan.updates();
            runs::goes_on_with_the_same_bits(&set, plan, [0, total / 3, total / 2, 2 * total / 3 + 1]);
        }
    }
}

#[test]
fn measuring_never_changes_training() {
    let trained = ["task", "updates", "online_accuracy", "final_accuracy", "final_loss", "test_accuracy"];
    for (set, batch_size) in [(images(IMAGES, 0), 20), (images(112, 205), 64)] {
        for stream in streams().into_iter().filter(|stream| batch_size == 20 || fits(stream, batch_size)) {
            let true_labels = stream["kind"].as_str().is_some_and(|kind| kind != "random_labels");
            let data = if true_labels { json!({ "test_images": 16 }) } else { json!({}) };
            let train = |interval: u64| -> Vec<Vec<String>> {
                let settings = json!({
                    "data": data,
                    "stream": stream,
                    "training": { "batch_size": batch_size_of(&stream, batch_size.min(set.count - 16)) },
                    "schedules": ["constant"],
                    "measure": { "interval": interval }
                });
                let (tasks, _) = finish(&mut begin(&plans(&set, &settings)[0], &set));
                trained.iter().map(|name| column(&tasks, name)).collect()
            };
            let never = train(0);
            assert!(never[5].iter().all(|accuracy| accuracy.is_empty() != true_labels), "{stream}: {:?}", never[5]);
            assert_eq!(train(1), never, "{stream}");
            assert_eq!(train(4), never, "{stream}");
        }
    }
}

#[test]
fn random_lengths_are_those_of_the_seed_in_every_arm_and_a_decay_ends_with_the_run() {
    let set = images(IMAGES, 0);
    let settings = json!({
        "stream": { "tasks": 6, "epochs": 4, "length_spread": 0.5 },
        "methods": ["relu", "l2_adam", "reset"],
        "schedules": ["constant", "linear"],
        "measure": { "interval": 1 },
        "seeds": 2
    });
    let plans = plans(&set, &settings);
    let mut of_seed: [Vec<Vec<String>>; 2] = Default::default();
    for plan in &plans {
        let (tasks, controls) = finish(&mut begin(plan, &set));
        let ends = column(&tasks, "updates");
        let mut before = 0;
        for end in &ends {
            let end: u64 = end.parse().unwrap();
            assert!([2, 3, 4, 5, 6].contains(&((end - before) / 3)) && (end - before).is_multiple_of(3), "{ends:?}");
            before = end;
        }
        assert_eq!(before, plan.updates());
        if plan.schedule == "linear" {
            for row in controls {
                let share = (row.update - 1) as f64 / plan.updates() as f64;
                assert!((row.learning_rate / (0.01 * (1.0 - 0.9 * share)) - 1.0).abs() < 1e-12);
            }
        }
        of_seed[plan.seed as usize].push(ends);
    }
    for arms in &of_seed {
        assert_eq!(arms.len(), 5);
        assert!(arms.iter().all(|ends| *ends == arms[0]));
    }
    assert_ne!(of_seed[0][0], of_seed[1][0]);
}

/// A layer's weight (out x in) and bias.
type Layer = (Vec<Vec<f64>>, Vec<f64>);

/// The class of an image by plain loops.
fn class_of(layers: &[Layer], image: &[f64]) -> usize {
    let mut values = image.to_vec();
    for (place, (weight, bias)) in layers.iter().enumerate() {
        let unit = |(row, bias): (&Vec<f64>, &f64)| row.iter().zip(&values).map(|(w, x)| w * x).sum::<f64>() + bias;
        let sums: Vec<f64> = weight.iter().zip(bias).map(unit).collect();
        let hidden = place + 1 < layers.len();
        values = sums.into_iter().map(|sum| if hidden { sum.max(0.0) } else { sum }).collect();
    }
    (0..values.len()).max_by(|one, other| values[*one].total_cmp(&values[*other])).unwrap()
}

#[test]
fn test_accuracy_is_that_on_images_held_out_under_the_tasks_own_permutation() {
    let set = images(IMAGES, 0);
    let count = set.images.len() as f64;
    let mean = set.images.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / count;
    let deviation = (set.images.iter().map(|&pixel| (f64::from(pixel) - mean).powi(2)).sum::<f64>() / count).sqrt();
    let order: Vec<i64> = Vec::try_from(Generator::named("images", 0).permutation(IMAGES)).unwrap();
    for own in [false, true] {
        for kind in ["label_permutation", "pixel_permutation", "class_incremental"] {
            // Held out of the set, or the set's own.
            let (set, test, data) = if own {
                let test = ImageSet { checksum: "test".to_owned(), ..images(30, 40) };
                (set.clone().with_test(test.clone()).unwrap(), test, json!({}))
            } else {
                (set.clone(), set.clone(), json!({ "images": 36, "test_images": 12 }))
            };
            let rows: Vec<usize> =
                if own { (0..30).collect() } else { order[36..].iter().map(|row| *row as usize).collect() };
            let settings = json!({
                "data": data,
                "stream": { "kind": kind, "epochs": 40, "transition": if kind == "class_incremental" { 0.0 } else { 0.3 } },
                "training": { "batch_size": 20, "precision": "f64" },
                "schedules": ["constant"]
            });
            let plan = &plans(&set, &settings)[0];
            let mut run = begin(plan, &set);
            let (mut names, mut pixels) = ((0..10).collect(), (0..16).collect());
            let mut generator = Generator::named(kind, 0);
            let mut accuracies = Vec::new();
            while !run.is_over() {
                let Some(row) = run.advance().unwrap().task else { continue };
                let drawn =
                    |generator: &mut Generator, length| Vec::<i64>::try_from(generator.permutation(length)).unwrap();
                let mut asked = rows.clone();
                match kind {
                    "label_permutation" => names = drawn(&mut generator, 10),
                    "pixel_permutation" => pixels = drawn(&mut generator, 16),
                    // Of the classes that the task shows.
                    _ => {
                        let trained = &order[..if own { IMAGES } else { 36 }];
                        let mut classes: Vec<u8> = trained.iter().map(|row| set.labels[*row as usize]).collect();
                        classes.sort_unstable();
                        classes.dedup();
                        let order = drawn(&mut Generator::named("class_order", 0), classes.len());
                        let shown = &order[2 * accuracies.len()..][..2];
                        asked.retain(|row| shown.iter().any(|place| classes[*place as usize] == test.labels[*row]));
                    }
                }
                let state = state_of(run.learner());
                let layers: Vec<Layer> = ["fc1", "fc2", "fc3"]
                    .map(|layer| {
                        let tensor = |role| state.tensor(&format!("network/{layer}.{role}")).unwrap();
                        (Vec::try_from(tensor("weight")).unwrap(), Vec::try_from(tensor("bias")).unwrap())
                    })
                    .into();
                let is_right = |&&row: &&usize| {
                    let image: Vec<f64> = pixels
                        .iter()
                        .map(|pixel| (f64::from(test.images[row * 16 + *pixel as usize]) - mean) / deviation)
                        .collect();
                    class_of(&layers, &image) as i64 == names[usize::from(test.labels[row])]
                };
                let by_hand = asked.iter().filter(is_right).count() as f64 / asked.len() as f64;
                assert_eq!(column(&[row], "test_accuracy"), [format!("{by_hand:?}")], "{kind}");
                accuracies.push(by_hand);
            }
            assert!(accuracies.iter().any(|accuracy| *accuracy > 0.0), "{accuracies:?}");
        }
    }
}

#[test]
fn holding_images_out_leaves_the_others_as_they_are() {
    let set = images(IMAGES, 0);
    let train = |data: Value| {
        let settings = json!({ "data": data, "stream": { "kind": "label_permutation" } });
        let (tasks, controls) = finish(&mut begin(&plans(&set, &settings)[0], &set));
        (["online_accuracy", "final_loss"].map(|name| column(&tasks, name)), controls)
    };
    assert_eq!(train(json!({ "images": 30 })), train(json!({ "images": 30, "test_images": 18 })));
    let all = plans(&set, &json!({ "data": { "test_images": 18 }, "stream": { "kind": "label_permutation" } }));
    assert_eq!(all[0].images(), 30);
}

/// In the first update of its second task, an optimizer that has been told of the boundary does what a fresh one would do
/// with the same gradient.
#[test]
fn a_learner_that_is_told_of_a_boundary_begins_it_with_a_fresh_optimizer_and_controller() {
    let set = images(IMAGES, 0);
    let training = json!({ "precision": "f64" });
    let settings = |told: bool| json!({ "stream": { "announce_boundaries": told }, "training": training, "schedules": ["constant"] });
    let plan = &plans(&set, &settings(true))[0];
    let mut run = begin(plan, &set);
    (0..9).for_each(|_| drop(run.advance().unwrap()));
    let before = state_of(run.learner());
    run.advance().unwrap();
    let after = state_of(run.learner());

    let images = select_images(&set, IMAGES, Kind::Double, 0);
    let mut stream = Stream::new(StreamStart::random_labels(images.copy(), 10, plan.lengths(), 0));
    stream.begin_task();
    (0..9).for_each(|_| drop(stream.next_minibatch()));
    stream.begin_task();
    let batch = stream.next_minibatch();
    let shape = Shape { inputs: 16, convolutions: None, hidden: vec![12, 8], outputs: 10, kind: Kind::Double };
    let mut network = Chain::new(shape, Box::new(Relu), Device::Cpu, &mut Generator::named("other", 0));
    before.restore_part("network", &mut network as &mut dyn Model).unwrap();
    let logits = network.forward(&images.index_select(0, &batch.rows), &mut Pass::evaluation());
    let gradients = gradients(network.layers(), &cross_entropy(&logits, &batch.labels), false);
    let mut fresh = Adam::new(AdamOptions::default(), WeightDecay::None, network.layers());
    fresh.step(network.layers_mut(), &gradients, &[0.01; 3], false);
    let fresh = state_of(&fresh);

    assert_eq!(after.value::<u64>("optimizer/steps").unwrap(), 1);
    let near = |found: &State, name: &str, expected: &Tensor| {
        found.tensor(name).unwrap().allclose(expected, 1e-9, 1e-15, false)
    };
    let mut told = plans(&set, &settings(false));
    let mut untold = begin(&told.remove(0), &set);
    (0..10).for_each(|_| drop(untold.advance().unwrap()));
    let untold = state_of(untold.learner());
    assert_eq!(untold.value::<u64>("optimizer/steps").unwrap(), 10);
    for parameter in network.layers().iter().flat_map(|layer| &layer.parameters) {
        for role in ["exp_avg", "exp_avg_sq"] {
            let name = format!("{}.{role}", parameter.name);
            let moment = fresh.tensor(&name).unwrap();
            let name = format!("optimizer/{name}");
            assert!(near(&after, &name, &moment), "{name}");
            assert!(role == "exp_avg" || !near(&untold, &name, &moment), "{name}");
        }
        let name = format!("network/{}", parameter.name);
        assert!(near(&after, &name, &parameter.value.detach()), "{name}");
        assert!(!near(&untold, &name, &parameter.value.detach()), "{name}");
    }

    // The controller: at the first update of each task that has a bound, the base rate and a window of one value.
    let of = |told: bool| {
        let settings = json!({ "stream": { "announce_boundaries": told }, "schedules": ["debiased"] });
        let (_, controls) = finish(&mut begin(&plans(&set, &settings)[0], &set));
        [1, 2].map(|task| {
            controls.iter().find(|row| row.task == task && row.value("combined_bound").is_some()).unwrap().clone()
        })
    };
    for row in of(true) {
        assert_eq!(row.learning_rate, 0.01);
        assert_eq!(
            row.value("sharpness_mean"),
            row.value("normalized_sharpness"),
            "nothing of the task before is in the window"
        );
        // The volatility of one value is nothing, so that the combined bound is this batch's noise bound alone.
        let (combined, noise) = (row.value("combined_bound").unwrap(), row.value("noise_bound_debiased").unwrap());
        assert!((combined - noise).abs() <= 1e-12 * noise, "{combined} and {noise}");
    }
    for row in of(false) {
        assert_ne!(row.learning_rate, 0.01);
        assert_ne!(row.value("sharpness_mean"), row.value("normalized_sharpness"));
    }
}

#[test]
fn what_has_its_default_changes_no_hash() {
    let set = images(IMAGES, 0);
    let hash = |stream: Value| plans(&set, &json!({ "stream": stream }))[0].hash.clone();
    // With minibatches as small as the fewest images of a task.
    let hash_of_small =
        |stream: Value| plans(&set, &json!({ "stream": stream, "training": { "batch_size": 3 } }))[0].hash.clone();
    let plain = hash(json!({}));
    let defaults = json!({
        "kind": "random_labels", "fraction": 1, "recurring": 0, "transition": 0, "length_spread": 0,
        "announce_boundaries": false
    });
    assert_eq!(hash(defaults), plain);
    // Of a version that had none of these keys.
    let options = json!({
        "format": 2,
        "data": { "set": "mnist-5k", "images": 48, "checksum": "none" },
        "stream": { "kind": "random_labels", "tasks": 3, "epochs": 3 }
    });
    let own = &plans(&set, &json!({}))[0].options;
    for (key, value) in options.as_object().unwrap() {
        assert_eq!(own[key].to_string(), value.to_string());
    }
    let mut hashes: Vec<String> = streams().into_iter().map(hash_of_small).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), streams().len());
    assert_eq!(hashes.iter().filter(|hash| **hash == hash_of_small(json!({}))).count(), 1);
    // Test images of the set's own are a part of what a run depends on, where it asks about them.
    let with_test = set.clone().with_test(ImageSet { checksum: "test".to_owned(), ..images(30, 0) }).unwrap();
    for (kind, depends) in [("random_labels", false), ("pixel_permutation", true)] {
        let settings = json!({ "stream": { "kind": kind } });
        let differs = plans(&set, &settings)[0].hash != plans(&with_test, &settings)[0].hash;
        assert_eq!(differs, depends, "{kind}");
    }
}
