//! Perceptrons, activations and what goes into a pass, against plain numbers and autograd.

use tch::{Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::deep_fourier::DeepFourier;
use trainability_baselines::activation::identity::Identity;
use trainability_baselines::activation::leaky_relu::LeakyRelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::activation::tanh::Tanh;
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::PARTS;
use trainability_tensor::layer::tensors;
use trainability_tensor::{Generator, Layer, LinearMap, State};

use crate::model::{self, Backward, Chain, CrossEntropy, Inputs, Model, Shape, TaskImages, cross_entropy};
use crate::testing::networks::{chain, logits, numbers, traced};

fn network(activation: Box<dyn Activation>, seed: u64) -> Chain {
    let shape = Shape { inputs: 5, convolutions: None, hidden: vec![7, 6], outputs: 3, kind: Kind::Double };
    chain(shape, activation, &mut Generator::named("initialisation", seed))
}

fn batch(count: usize) -> (Tensor, Tensor) {
    let mut generator = Generator::named("batch", 1);
    (generator.uniform(&[count as i64, 5], 2.0, Kind::Double), generator.labels(count, 3))
}

fn parameter_count(network: &Chain) -> usize {
    network.layers().iter().map(Layer::count).sum()
}

#[test]
fn crelu_doubles_the_next_layers_input_and_the_reference_sizes_are_right() {
    let reference = |activation| {
        let shape = Shape { inputs: 784, convolutions: None, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
        parameter_count(&chain(shape, activation, &mut Generator::named("initialisation", 0)))
    };
    assert_eq!(reference(Box::new(Relu)), 269_322);
    assert_eq!(reference(Box::new(Crelu)), 337_418);
}

#[test]
fn crelu_can_match_the_parameters_of_a_relu_network() {
    let shape = Shape { inputs: 784, convolutions: None, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
    // 2 w^2 + 806 w + 10 is nearest to 269,322 at w = 217: 269,090, against 270,766 at 218.
    let matched = shape.matched(&Crelu, false);
    assert_eq!(matched.hidden, [217, 217]);
    let network = chain(matched.clone(), Box::new(Crelu), &mut Generator::named("initialisation", 0));
    assert_eq!(parameter_count(&network), 269_090);
    assert_eq!(matched.parameter_count(&Crelu, false), 269_090);
    assert_eq!(shape.matched(&Relu, false), shape);
}

#[test]
fn names_and_shapes_are_those_of_the_contract() {
    let network = network(Box::new(Crelu), 0);
    let named: Vec<(String, Vec<i64>)> =
        network.layers().iter().flat_map(|l| l.parameters.iter().map(|p| (p.name.clone(), p.value.size()))).collect();
    let expected = [
        ("fc1.weight", vec![7, 5]),
        ("fc1.bias", vec![7]),
        ("fc2.weight", vec![6, 14]),
        ("fc2.bias", vec![6]),
        ("fc3.weight", vec![3, 12]),
        ("fc3.bias", vec![3]),
    ];
    assert_eq!(named, expected.map(|(name, size)| (name.to_owned(), size)));
}

/// One sample at a time in plain f64 arithmetic.
#[test]
fn forward_and_loss_agree_with_scalar_code() {
    for crelu in [false, true] {
        let activation: Box<dyn Activation> = if crelu { Box::new(Crelu) } else { Box::new(Relu) };
        let network = network(activation, 3);
        let (images, labels) = batch(4);
        let mut total = 0.0;
        for sample in 0..4 {
            let mut signal: Vec<f64> = Vec::try_from(images.get(sample)).unwrap();
            for (index, layer) in network.layers().iter().enumerate() {
                if index > 0 {
                    let positive = signal.iter().map(|z| z.max(0.0));
                    let negative = signal.iter().map(|z| (-z).max(0.0));
                    signal = if crelu { positive.chain(negative).collect() } else { positive.collect() };
                }
                let bias: Vec<f64> = Vec::try_from(layer.bias().unwrap()).unwrap();
                let rows: Vec<Vec<f64>> = Vec::try_from(layer.weight()).unwrap();
                signal = rows
                    .iter()
                    .zip(bias)
                    .map(|(r, b)| b + r.iter().zip(&signal).map(|(w, x)| w * x).sum::<f64>())
                    .collect();
            }
            let normaliser = signal.iter().map(|z| z.exp()).sum::<f64>().ln();
            total += normaliser - signal[labels.int64_value(&[sample]) as usize];
        }
        let loss = cross_entropy(logits(&traced(&network, &images)), &labels).double_value(&[]);
        assert!((loss - total / 4.0).abs() < 1e-12, "{loss} against {}", total / 4.0);
    }
}

/// To the bit where it is written out: which way a network goes must not show in its results.
#[test]
fn a_training_pass_has_the_gradients_of_autograd() {
    let activations: [Box<dyn Activation>; 6] = [
        Box::new(Relu),
        Box::new(Crelu),
        Box::new(LeakyRelu { slope: 0.3 }),
        Box::new(Identity),
        Box::new(Tanh),
        Box::new(DeepFourier),
    ];
    for activation in activations {
        let network = network(activation, 5);
        let (images, labels) = batch(6);
        let rows = Tensor::from_slice(&[4i64, 0, 0, 5]);
        let labels = labels.index_select(0, &rows);
        let trace = traced(&network, &images.index_select(0, &rows));
        let expected = model::gradients(network.layers(), &cross_entropy(logits(&trace), &labels), true);

        let images = TaskImages::new(&images, Some(64));
        let pass = network.training_pass(images.inputs(&rows));
        assert!(pass.logits.allclose(logits(&trace), 1e-12, 1e-12, false));
        let loss = CrossEntropy::of(&pass.logits, &labels);
        let Backward { gradients, deltas } = network.backward(&pass, &loss, true);
        for (found, expected) in gradients.iter().flatten().zip(expected.iter().flatten()) {
            assert_eq!(found, expected, "{:?}", network.activation());
        }
        let expected = model::deltas(&trace, &cross_entropy(logits(&trace), &labels), labels.size()[0]);
        for (found, expected) in deltas.iter().zip(&expected) {
            let [found, expected] = [found, expected].map(|delta| &delta.as_ref().unwrap().pre_activation);
            assert_eq!(found, expected, "{:?}", network.activation());
        }
        assert!(network.backward(&pass, &loss, false).deltas.is_empty());
        for (found, expected) in pass.into_trace().1.iter().zip(&trace) {
            assert_eq!((&found.input, &found.pre_activation), (&expected.input, &expected.pre_activation));
        }
    }
}

/// Images whose pixels are -0.4 but for a fifth of them.
fn digits(count: i64) -> Tensor {
    let mut generator = Generator::named("digits", 0);
    let values = generator.uniform(&[count, 60], 2.0, Kind::Float);
    let differs = generator.uniform(&[count, 60], 0.5, Kind::Float).lt(-0.3);
    values.where_self(&differs, &Tensor::full_like(&values, -0.4))
}

#[test]
fn leaving_the_background_out_trains_the_same_to_rounding() {
    let images = digits(100);
    let labels = Generator::named("labels", 0).labels(100, 3);
    let start = || {
        let shape = Shape { inputs: 60, convolutions: None, hidden: vec![70, 9], outputs: 3, kind: Kind::Float };
        chain(shape, Box::new(Relu), &mut Generator::named("initialisation", 0))
    };
    let train = |images: &TaskImages| {
        let mut network = start();
        let mut order = Generator::named("order", 0);
        for _ in 0..30 {
            let rows = order.permutation(100).narrow(0, 0, 64);
            let pass = network.training_pass(images.inputs(&rows));
            let loss = CrossEntropy::of(&pass.logits, &labels.index_select(0, &rows));
            let gradients = network.backward(&pass, &loss, false).gradients;
            for (layer, gradients) in network.layers_mut().iter_mut().zip(&gradients) {
                for (parameter, gradient) in layer.parameters.iter_mut().zip(gradients) {
                    tch::no_grad(|| parameter.value -= gradient * 0.1);
                }
            }
        }
        network
    };
    let (sparse, dense) = (TaskImages::new(&images, Some(64)), TaskImages::new(&images, Some(63)));
    let rows = Tensor::from_slice(&[0i64]);
    assert!(matches!(sparse.inputs(&rows), Inputs::Sparse { .. }));
    assert!(matches!(dense.inputs(&rows), Inputs::Dense(_)));
    let (sparse, dense, start) = (train(&sparse), train(&dense), start());
    for ((a, b), start) in tensors(sparse.layers()).zip(tensors(dense.layers())).zip(tensors(start.layers())) {
        let (apart, moved) = ((a - b).abs().max().double_value(&[]), (a - start).abs().max().double_value(&[]));
        assert!(moved > 1e-2 && apart < 1e-4 * moved, "{apart} apart after having moved by {moved}");
    }
}

#[test]
fn other_images_are_taken_up() {
    let shape = Shape { inputs: 60, convolutions: None, hidden: vec![8], outputs: 3, kind: Kind::Float };
    let network = chain(shape, Box::new(Relu), &mut Generator::named("initialisation", 0));
    let (before, rows) = (digits(5), Tensor::from_slice(&[3i64, 1]));
    let after = before.flip([1i64]);
    let mut images = TaskImages::new(&before, Some(64));
    for task in [&before, &after, &after, &before] {
        images.follow(task);
        let expected = task.index_select(0, &rows);
        assert_eq!(images.inputs(&rows).dense(), expected);
        let (found, expected) = (network.training_pass(images.inputs(&rows)), traced(&network, &expected));
        assert!(found.logits.allclose(logits(&expected), 1e-5, 1e-5, false));
    }
}

#[test]
fn pulling_back_agrees_with_autograd() {
    // Those of the registry at their defaults, a new one included, and one of them at another slope.
    let registered = PARTS.iter().filter_map(|part| match part.build(part.default_options()) {
        Ok((Contribution::Activation(activation, _), _)) => Some(activation),
        _ => None,
    });
    let mut activations: Vec<Box<dyn Activation>> = vec![Box::new(LeakyRelu { slope: 0.3 })];
    activations.extend(registered);
    assert!(activations.len() >= 6);
    for activation in activations {
        let z = Generator::named("z", 2).uniform(&[6, 4], 1.0, Kind::Double).set_requires_grad(true);
        let h = activation.forward(&z, LinearMap::Dense);
        let weights = Generator::named("w", 2).uniform(&h.size(), 1.0, Kind::Double);
        let expected = Tensor::run_backward(&[(&h * &weights).sum(Kind::Double)], &[&z], false, false);
        assert!(activation.pull_back(&z.detach(), &weights, LinearMap::Dense).allclose(
            &expected[0],
            1e-12,
            1e-12,
            false
        ));
    }
}

#[test]
fn activations_agree_with_scalar_code() {
    let values = [-2.5, -1.0, -1e-3, 0.0, 1e-3, 0.7, 3.0];
    type Scalar = fn(f64) -> f64;
    let cases: [(Box<dyn Activation>, Scalar); 4] = [
        (Box::new(Relu), |z| if z > 0.0 { z } else { 0.0 }),
        (Box::new(LeakyRelu { slope: 0.3 }), |z| if z > 0.0 { z } else { 0.3 * z }),
        (Box::new(Tanh), |z| (z.exp() - (-z).exp()) / (z.exp() + (-z).exp())),
        (Box::new(Identity), |z| z),
    ];
    for (activation, scalar) in cases {
        let found: Vec<f64> =
            Vec::try_from(activation.forward(&Tensor::from_slice(&values), LinearMap::Dense)).unwrap();
        for (found, z) in found.iter().zip(values) {
            assert!((found - scalar(z)).abs() < 1e-15, "{activation:?} of {z} is {found}");
        }
    }
}

/// A single sample's loss is computed one by one, those of several by tensor operations.
#[test]
fn the_loss_of_one_sample_is_that_of_the_sample_twice() {
    for kind in [Kind::Float, Kind::Double] {
        let logits = Generator::named("logits", 4).uniform(&[5, 7], 20.0, kind);
        let labels = Generator::named("labels", 4).labels(5, 7);
        let tolerance = if kind == Kind::Float { 1e-6 } else { 1e-14 };
        for sample in 0..5 {
            let (one, label) = (logits.narrow(0, sample, 1), labels.narrow(0, sample, 1));
            let twice = (Tensor::cat(&[&one, &one], 0), Tensor::cat(&[&label, &label], 0));
            let (alone, both) = (CrossEntropy::of(&one, &label), CrossEntropy::of(&twice.0, &twice.1));
            assert_eq!((alone.mean().size(), alone.mean().kind()), (both.mean().size(), kind));
            assert!(alone.mean().allclose(both.mean(), tolerance, tolerance, false), "{alone:?}");
            let expected = both.at_logits().sum_dim_intlist([0i64].as_slice(), true, kind);
            assert!(alone.at_logits().allclose(&expected, tolerance, tolerance, false), "{alone:?}");
            assert_eq!(2 * model::correct(&one, &label), model::correct(&twice.0, &twice.1));
        }
    }
}

#[test]
fn deep_fourier_features_are_all_sines_and_then_all_cosines() {
    let z = Tensor::from_slice(&[0.3, -2.0, 5.0, 1.1]).view([2, 2]);
    let found = numbers(&DeepFourier.forward(&z, LinearMap::Dense));
    let expected = [[0.3f64, -2.0], [5.0, 1.1]].map(|row| [row.map(f64::sin), row.map(f64::cos)].concat()).concat();
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-15), "{found:?}");
    assert_eq!(DeepFourier.features(7), 14);
}

#[test]
fn a_restored_network_computes_the_same() {
    let before = network(Box::new(Relu), 1);
    let mut state = State::default();
    before.save(&mut state);
    let mut after = network(Box::new(Relu), 2);
    after.restore(&state).unwrap();
    let (images, _) = batch(3);
    assert_eq!(logits(&traced(&before, &images)).detach(), logits(&traced(&after, &images)).detach());
}
