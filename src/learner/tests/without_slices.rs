//! An update by tensor operations alone, as on a GPU, is the update by slices of main memory, to rounding: with every part
//! of a method, every optimizer, and what is measured of each layer.

use serde_json::json;
use tch::{Device, Kind, Tensor};
use trainability_baselines::method::Method;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::{PARTS, part};
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::layer::tensors;
use trainability_tensor::slices::without_slices;
use trainability_tensor::{Filters, Generator};

use crate::data::ImageShape;
use crate::learner::{Learner, LearnerOptions, Task};
use crate::model::{Chain, Convolutions, Shape};
use crate::optimizer::OPTIMIZERS;
use crate::probe::ProbeOptions;
use crate::schedule::Progress;

const TOLERANCE: f64 = 1e-12;
const UPDATES: u64 = 7;

/// The parameters after some updates, and every statistic of the measured ones with its name.
fn train(parts: &[&str], optimizer: &str, convolutional: bool) -> (Vec<Tensor>, Vec<(String, f64)>) {
    let build = |name: &&str| {
        // So that units are replaced, and their memory begins anew.
        let soon = json!({ "maturity": 2, "rate": 0.5 });
        let options = if *name == "continual_backprop" { soon } else { json!({}) };
        part(name).unwrap().build(options).unwrap().0
    };
    let Method { activation, normalization, rules, .. } = Method::of(parts.iter().map(build).collect()).unwrap();
    let image = ImageShape { channels: 1, rows: 5, columns: 5 };
    let convolutions = convolutional.then(|| Convolutions { image, channels: vec![2, 3], filters: Filters::default() });
    let shape = Shape { inputs: 25, convolutions, hidden: vec![7, 6], outputs: 3, kind: Kind::Double };
    let mut initialisation = Generator::named("initialisation", 5);
    let chain = Chain::with_normalization(shape, activation, normalization, Device::Cpu, &mut initialisation);
    let kind = crate::optimizer::optimizer(optimizer).unwrap();
    let options = LearnerOptions {
        rules,
        optimizer: kind.read(json!({})).unwrap().0,
        learning_rate: 0.01,
        measure: ProbeOptions {
            interval: 3,
            lanczos: LanczosOptions { products: 1000, tolerance: 1e-14 },
            ..ProbeOptions::default()
        },
        ..LearnerOptions::default()
    };
    let mut learner = Learner::assemble(Box::new(chain), initialisation, options).unwrap();
    let mut generator = Generator::named("batch", 3);
    let (inputs, labels) = (generator.uniform(&[20, 25], 1.5, Kind::Double), generator.labels(20, 3));
    let task = Task { inputs: &inputs, chosen: None, labels: &labels };
    learner.begin_task(1, task);
    let mut measured = Vec::new();
    for update in 0..UPDATES {
        let made = learner.update_in(&inputs, &labels, Progress::in_tasks(update, 1, UPDATES), task).unwrap();
        for layer in made.measured.into_iter().flat_map(|measured| measured.layers) {
            let values = layer.statistics.columns().filter(|(name, _)| *name != "sharpness_residual");
            let defined = values.filter_map(|(name, value)| Some((name, value?)));
            measured.extend(defined.map(|(name, value)| (format!("{name} of {}", layer.layer), value)));
        }
    }
    (tensors(learner.model().layers()).map(|tensor| tensor.detach().copy()).collect(), measured)
}

fn compare(parts: &[&str], optimizer: &str, convolutional: bool) {
    let what = format!("{parts:?} with {optimizer}");
    let (expected, expected_statistics) = train(parts, optimizer, convolutional);
    let (found, found_statistics) = without_slices(|| train(parts, optimizer, convolutional));
    for (found, expected) in found.iter().zip(&expected) {
        let distance = (found - expected).abs().max().double_value(&[]);
        assert!(distance <= TOLERANCE, "{what}: parameters differ by {distance}");
    }
    assert_eq!(found_statistics.len(), expected_statistics.len(), "{what}");
    assert!(expected_statistics.len() > 20, "{what}: {} statistics", expected_statistics.len());
    let largest = expected_statistics.iter().map(|(_, value)| value.abs()).fold(1.0, f64::max);
    for ((name, found), (_, expected)) in found_statistics.iter().zip(&expected_statistics) {
        assert!((found - expected).abs() <= TOLERANCE * largest, "{what}: {name} is {found}, expected {expected}");
    }
}

#[test]
fn every_part_of_a_method() {
    // Not with Adam: the bias below a batch normalisation has no gradient but rounding, which Adam would divide by itself.
    for part in PARTS {
        compare(&[part.name], "sgd", false);
    }
}

#[test]
fn every_optimizer_with_every_weight_decay() {
    for kind in OPTIMIZERS {
        for parts in [&["relu"][..], &["l2_adam"], &["adamw"], &["continual_backprop"]] {
            // That one has a weight decay of its own.
            if kind.name == "adamw" && ["l2_adam", "adamw"].contains(&parts[0]) {
                continue;
            }
            compare(parts, kind.name, false);
        }
    }
}

#[test]
fn a_convolutional_network_and_every_penalty() {
    let penalty = |name: &str| matches!(part(name).unwrap().build(json!({})).unwrap().0, Contribution::Penalty(_));
    for name in PARTS.iter().map(|part| part.name).filter(|name| *name == "relu" || penalty(name)) {
        compare(&[name], "adam", true);
    }
}
