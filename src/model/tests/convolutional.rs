//! Convolutional networks: shapes, the forward pass and gradients.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::relu::Relu;
use trainability_tensor::layer::tensors;
use trainability_tensor::{Generator, Layer};

use crate::model::{Backward, Chain, CrossEntropy, Model, Pass, Shape, TaskImages, cross_entropy, gradients};
use crate::testing::convolutional::{Case, case, cases, shape};
use crate::testing::runs::state_of;
use crate::testing::traced;

#[test]
fn names_and_sizes() {
    let network = case(Box::new(Crelu), shape([3, 9, 8], &[4, 5], &[6]), 1, 0).network;
    let named: Vec<(String, Vec<i64>)> =
        network.layers().iter().flat_map(|l| l.parameters.iter().map(|p| (p.name.clone(), p.value.size()))).collect();
    // 9 x 8 becomes 5 x 4, then 3 x 2; CReLU doubles channels and units.
    let expected = [
        ("conv1.weight", vec![4, 3, 3, 3]),
        ("conv1.bias", vec![4]),
        ("conv2.weight", vec![5, 8, 3, 3]),
        ("conv2.bias", vec![5]),
        ("fc1.weight", vec![6, 60]),
        ("fc1.bias", vec![6]),
        ("fc2.weight", vec![3, 12]),
        ("fc2.bias", vec![3]),
    ];
    assert_eq!(named, expected.map(|(name, size)| (name.to_owned(), size)));
    assert_eq!(
        network.layers().iter().map(Layer::count).sum::<usize>() as i64,
        network.shape().parameter_count(&Crelu, false)
    );
}

#[test]
fn weights_begin_within_the_bound_of_their_fan_in_and_biases_at_zero() {
    let shape = shape([3, 8, 8], &[40], &[50]);
    let network = Chain::new(shape, Box::new(Relu), Device::Cpu, &mut Generator::named("test", 1));
    for (layer, fan_in) in network.layers().iter().zip([27.0, 640.0, 50.0]) {
        let bound = (6.0_f64 / fan_in).sqrt();
        let largest = layer.weight().abs().max().double_value(&[]);
        assert!((0.9 * bound..=bound).contains(&largest), "{}: {largest} against {bound}", layer.name);
        assert_eq!(layer.bias().unwrap().abs().max().double_value(&[]), 0.0);
    }
}

#[test]
fn channels_and_hidden_layers_are_narrowed_by_one_factor_to_match_the_parameters() {
    let given = Shape { outputs: 10, kind: Kind::Float, ..shape([3, 32, 32], &[16, 32, 64, 64], &[256]) };
    let matched = given.matched(&Crelu, false);
    let channels = matched.convolutions.clone().unwrap().channels;
    let target = given.parameter_count(&Relu, false);
    let found = matched.parameter_count(&Crelu, false);
    assert!((found - target).abs() * 100 < target, "{found} against {target}");
    let factor = matched.hidden[0] as f64 / 256.0;
    assert!(factor < 1.0);
    for (found, given) in channels.iter().zip([16.0, 32.0, 64.0, 64.0]) {
        assert_eq!(*found, (given * factor).round() as i64);
    }
    assert_eq!(given.matched(&Relu, false), given);
}

#[test]
fn the_forward_pass_and_both_ways_to_gradients_are_those_of_plain_code() {
    for case in cases() {
        let Case { network, images, labels } = &case;
        let (logits, trace) = traced(network, images, Pass::evaluation());
        assert!(logits.allclose(&case.plain_logits(images), 1e-12, 1e-12, false));
        let expected = case.flat_gradient(&case.plain_loss(images, labels));

        // The rows of a task, the last first.
        let count = images.size()[0];
        let rows = Tensor::arange(count, (Kind::Int64, Device::Cpu)).flip([0i64]);
        let task = TaskImages::new(&images.flip([0i64]), None);
        let pass = network.training_pass(task.inputs(&rows));
        assert!(pass.logits.allclose(&logits, 1e-12, 1e-12, false));
        let loss = CrossEntropy::of(&pass.logits, labels);
        let Backward { gradients: found, deltas } = network.backward(&pass, &loss, true);
        let plain = gradients(network.layers(), &cross_entropy(&logits, labels), true);
        for (layer, expected) in expected.iter().enumerate() {
            for gradients in [&found[layer], &plain[layer]] {
                let flat = Tensor::cat(&[gradients[0].flatten(0, -1), gradients[1].flatten(0, -1)], 0);
                assert!(flat.allclose(expected, 1e-10, 1e-12, false), "{}", network.layers()[layer].name);
            }
        }
        let hidden = pass.features();
        assert_eq!(hidden.len(), network.layers().len() - 1);
        let retraced = pass.into_trace().1;
        for (found, expected) in retraced.iter().zip(&trace) {
            assert_eq!(found.input.size(), expected.input.size());
            assert!(found.input.allclose(&expected.input, 1e-12, 1e-12, false));
            assert!(found.pre_activation.allclose(&expected.pre_activation, 1e-12, 1e-12, false));
        }
        for (found, expected) in deltas.iter().zip(&case.measure().1) {
            let [found, expected] = [found, expected].map(|delta| &delta.as_ref().unwrap().pre_activation);
            assert!(found.allclose(expected, 1e-12, 1e-12, false));
        }
    }
}

#[test]
fn a_restored_network_has_the_same_parameters() {
    let before = case(Box::new(Crelu), shape([1, 6, 6], &[2, 3], &[4]), 3, 1).network;
    let state = state_of(&before as &dyn Model);
    let mut after = case(Box::new(Crelu), shape([1, 6, 6], &[2, 3], &[4]), 3, 2).network;
    Model::restore(&mut after, &state).unwrap();
    assert!(tensors(before.layers()).zip(tensors(after.layers())).all(|(a, b)| a == b));
    let mut other = case(Box::new(Crelu), shape([1, 6, 6], &[2, 4], &[4]), 3, 2).network;
    assert!(Model::restore(&mut other, &state).unwrap_err().to_string().contains("conv2.weight"));
}
