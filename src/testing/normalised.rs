//! Tiny networks in f64 whose hidden layers are normalised, and parts by their names.

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::normalization::Normalization;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part;
use trainability_tensor::Generator;

use crate::model::{Chain, Model, Shape};

pub(crate) struct Case {
    pub(crate) network: Chain,
    pub(crate) images: Tensor,
    pub(crate) labels: Tensor,
}

pub(crate) fn normalization(name: &str, options: Value) -> Box<dyn Normalization> {
    match part(name).unwrap().build(options).unwrap().0 {
        Contribution::Normalization(normalization) => normalization,
        other => panic!("{other:?} is no normalization"),
    }
}

pub(crate) fn activation(name: &str) -> Box<dyn Activation> {
    match part(name).unwrap().build(json!({})).unwrap().0 {
        Contribution::Activation(activation, _) => activation,
        other => panic!("{other:?} is no activation"),
    }
}

/// A fresh network whose hidden layers are normalised.
pub(crate) fn network(shape: Shape, unit: &str, rule: Box<dyn Normalization>, generator: &mut Generator) -> Chain {
    Chain::with_normalization(shape, activation(unit), Some(rule), Device::Cpu, generator)
}

/// A small f64 network away from its initial parameters, and a random batch.
pub(crate) fn case(rule: &str, unit: &str, inputs: i64, hidden: &[i64], samples: i64, seed: u64) -> Case {
    tch::set_num_threads(1);
    let shape = Shape { inputs, convolutions: None, hidden: hidden.to_vec(), outputs: 4, kind: Kind::Double };
    let mut generator = Generator::named("test", seed);
    let mut network = network(shape, unit, normalization(rule, json!({})), &mut generator);
    for parameter in network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
        tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
    let images = generator.uniform(&[samples, inputs], 2.0, Kind::Double);
    Case { network, images, labels: generator.labels(samples as usize, 4) }
}

pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().flatten(0, -1)).unwrap()
}

#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}, {place}: {a} against {b}");
    }
}
