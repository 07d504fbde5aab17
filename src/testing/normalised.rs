//! Networks whose hidden layers are normalised, against plain loops and slow second computations in f64.

mod forward;
mod measured;
mod plain;
mod runs;
#[path = "../common/tiny.rs"]
#[allow(dead_code)]
mod tiny;

use serde_json::{Value, json};
use tch::{Kind, Tensor};
use trainability::network::{Network, Shape};
use trainability::random::Generator;
use trainability_baselines::activation::Activation;
use trainability_baselines::method::{Contribution, Part};
use trainability_baselines::normalization::Normalization;
use trainability_baselines::penalty::Penalty;

struct Case {
    network: Network,
    images: Tensor,
    labels: Tensor,
}

fn normalization(name: &str, options: Value) -> Box<dyn Normalization> {
    match Part::named(name).unwrap().build(options).unwrap().0 {
        Contribution::Normalization(normalization) => normalization,
        other => panic!("{other:?} is no normalization"),
    }
}

fn activation(name: &str) -> Box<dyn Activation> {
    match Part::named(name).unwrap().build(json!({})).unwrap().0 {
        Contribution::Activation(activation, _) => activation,
        other => panic!("{other:?} is no activation"),
    }
}

fn penalty(name: &str, network: &Network) -> Box<dyn Penalty> {
    match Part::named(name).unwrap().build(json!({ "coefficient": 0.05 })).unwrap().0 {
        Contribution::Penalty(mut penalty) => {
            penalty.begin(&network.layers);
            penalty
        }
        other => panic!("{other:?} is no penalty"),
    }
}

/// A small f64 network away from its initial parameters, and a random batch.
fn case(rule: &str, unit: &str, inputs: i64, hidden: &[i64], samples: i64, seed: u64) -> Case {
    tch::set_num_threads(1);
    let shape = Shape { inputs, convolutions: None, hidden: hidden.to_vec(), outputs: 4, kind: Kind::Double };
    let mut generator = Generator::named("test", seed);
    let rule = normalization(rule, json!({}));
    let mut network = Network::with_normalization(shape, activation(unit), Some(rule), &mut generator);
    for parameter in network.layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
        tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
    let images = generator.uniform(&[samples, inputs], 2.0, Kind::Double);
    Case { network, images, labels: generator.labels(samples as usize, 4) }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}, {place}: {a} against {b}");
    }
}
