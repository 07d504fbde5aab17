//! Networks whose hidden layers are normalised, against plain loops in f64: forward values, gradients and running
//! statistics.

use serde_json::json;
use tch::{Device, Kind, Tensor};
use trainability_tensor::{Generator, Layer};

use crate::model::{Chain, CrossEntropy, Inputs, Model, Pass, Shape, TaskImages, cross_entropy, gradients};
use crate::testing::normalised::{Case, activation, assert_close, case, network, normalization, numbers};
use crate::testing::runs::state_of;
use crate::testing::traced;

mod plain;

use plain::{Plain, Rule};

fn relu(z: f64) -> Vec<f64> {
    vec![z.max(0.0)]
}

fn crelu(z: f64) -> Vec<f64> {
    vec![z.max(0.0), (-z).max(0.0)]
}

fn tanh(z: f64) -> Vec<f64> {
    vec![z.tanh()]
}

type Unit = fn(f64) -> Vec<f64>;
const UNITS: [(&str, Unit); 3] = [("relu", relu), ("crelu", crelu), ("tanh", tanh)];

/// Running mean and variance of each hidden layer.
fn running(network: &Chain) -> Vec<[Vec<f64>; 2]> {
    let state = state_of(network as &dyn Model);
    let of = |layer: usize, what: &str| numbers(&state.tensors[&format!("normalization/fc{layer}.running_{what}")]);
    (1..network.layers().len()).map(|layer| [of(layer, "mean"), of(layer, "variance")]).collect()
}

/// Lets the network see a minibatch as an update does.
fn update(network: &mut Chain, images: &Tensor) {
    let pass = network.training_pass(Inputs::Dense(images.shallow_clone()));
    network.follow(&pass);
}

fn logits(network: &Chain, images: &Tensor, mut pass: Pass) -> Vec<f64> {
    numbers(&network.forward(images, &mut pass))
}

fn samples(tensor: &Tensor) -> Vec<Vec<f64>> {
    Vec::try_from(tensor.detach()).unwrap()
}

fn agrees(case: &Case, mut pass: Pass, plain: &Plain) {
    let (images, labels) = (samples(&case.images), Vec::<i64>::try_from(&case.labels).unwrap());
    let logits = case.network.forward(&case.images, &mut pass);
    assert_close("logits", &numbers(&logits), &plain.logits(&images).0.concat(), 1e-12);
    let gradients = gradients(case.network.layers(), &cross_entropy(&logits, &case.labels), false);
    let found: Vec<f64> = gradients.iter().flatten().flat_map(numbers).collect();
    assert_close("gradients", &found, &plain.gradient(&images, &labels), 1e-8);
}

#[test]
fn values_and_gradients_are_those_of_plain_numbers() {
    for (name, unit) in UNITS {
        let case = case("layer_norm", name, 5, &[6, 4], 7, 1);
        let plain = Plain::of(&case.network, Rule::Layer, unit);
        agrees(&case, Pass::training(), &plain);
        agrees(&case, Pass::evaluation(), &plain);
    }
    for (name, unit) in UNITS {
        let mut case = case("batch_norm", name, 5, &[6, 4], 7, 1);
        let plain = Plain::of(&case.network, Rule::Batch, unit);
        agrees(&case, Pass::training(), &plain);
        update(&mut case.network, &(&case.images * 0.7 + 0.2));
        let plain = Plain { rule: Rule::Running(running(&case.network)), ..plain };
        agrees(&case, Pass::evaluation(), &plain);
    }
}

#[test]
fn a_training_pass_has_the_gradients_of_autograd() {
    for rule in ["layer_norm", "batch_norm"] {
        let case = case(rule, "crelu", 5, &[6, 4], 9, 2);
        let rows = Tensor::from_slice(&[4i64, 0, 0, 5, 8]);
        let labels = case.labels.index_select(0, &rows);
        let logits = case.network.forward(&case.images.index_select(0, &rows), &mut Pass::training());
        let expected = gradients(case.network.layers(), &cross_entropy(&logits, &labels), false);
        let pass = case.network.training_pass(TaskImages::new(&case.images, Some(64)).inputs(&rows));
        let found = case.network.backward(&pass, &CrossEntropy::of(&pass.logits, &labels), false).gradients;
        for (layer, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.len(), if layer < 2 { 4 } else { 2 });
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.size(), expected.size());
                assert!(found.allclose(expected, 1e-12, 1e-13, false), "{rule}, layer {layer}");
            }
        }
    }
}

#[test]
fn leaving_the_background_out_gives_the_same_to_rounding() {
    let mut generator = Generator::named("digits", 0);
    let values = generator.uniform(&[80, 60], 2.0, Kind::Float);
    let differs = generator.uniform(&[80, 60], 0.5, Kind::Float).lt(-0.3);
    let images = values.where_self(&differs, &Tensor::full_like(&values, -0.4));
    let labels = generator.labels(64, 3);
    for rule in ["layer_norm", "batch_norm"] {
        let shape = Shape { inputs: 60, convolutions: None, hidden: vec![70, 9], outputs: 3, kind: Kind::Float };
        let network = network(shape, "relu", normalization(rule, json!({})), &mut generator);
        let rows = generator.permutation(80).narrow(0, 0, 64);
        let of = |batch_size: usize| {
            let inputs = TaskImages::new(&images, Some(batch_size)).inputs(&rows);
            assert_eq!(matches!(inputs, Inputs::Sparse { .. }), batch_size == 64);
            let pass = network.training_pass(inputs);
            network.backward(&pass, &CrossEntropy::of(&pass.logits, &labels), false).gradients
        };
        for (sparse, dense) in of(64).iter().flatten().zip(of(63).iter().flatten()) {
            assert!(sparse.allclose(dense, 1e-4, 1e-6, false));
        }
    }
}

#[test]
fn running_statistics_follow_pytorchs_formula_and_updates_alone() {
    let mut case = case("batch_norm", "relu", 5, &[6, 4], 7, 3);
    let mut expected = running(&case.network);
    assert!(
        expected.iter().all(|[mean, variance]| mean.iter().all(|m| *m == 0.0) && variance.iter().all(|v| *v == 1.0))
    );
    for step in 0..3 {
        let images = Generator::named("images", step).uniform(&[7, 5], 2.0, Kind::Double);
        let (_, hidden) = Plain::of(&case.network, Rule::Batch, relu).logits(&samples(&images));
        for (z, [mean, variance]) in hidden.iter().zip(&mut expected) {
            for unit in 0..z[0].len() {
                let own: Vec<f64> = z.iter().map(|sample| sample[unit]).collect();
                let own_mean = own.iter().sum::<f64>() / 7.0;
                let unbiased = own.iter().map(|z| (z - own_mean).powi(2)).sum::<f64>() / 6.0;
                mean[unit] = 0.9 * mean[unit] + 0.1 * own_mean;
                variance[unit] = 0.9 * variance[unit] + 0.1 * unbiased;
            }
        }
        update(&mut case.network, &images);
        for ([mean, variance], [found_mean, found_variance]) in expected.iter().zip(running(&case.network)) {
            assert_close("mean", &found_mean, mean, 1e-12);
            assert_close("variance", &found_variance, variance, 1e-12);
        }
        // Looking changes nothing.
        let before = running(&case.network);
        drop(case.network.forward(&case.images, &mut Pass::evaluation()));
        drop(case.network.forward(&case.images, &mut Pass::training()));
        case.network.training_pass(Inputs::Dense(images));
        assert_eq!(running(&case.network), before);
    }
}

#[test]
fn momentum_and_epsilon_are_those_of_the_options() {
    let images = Generator::named("images", 0).uniform(&[9, 5], 2.0, Kind::Double);
    let train = |options| {
        let shape = Shape { inputs: 5, convolutions: None, hidden: vec![6], outputs: 3, kind: Kind::Double };
        let rule = normalization("batch_norm", options);
        let mut generator = Generator::named("test", 1);
        let mut network = network(shape, "relu", rule, &mut generator);
        update(&mut network, &images);
        let (_, trace) = traced(&network, &images, Pass::training());
        let z = trace[0].normalised.as_ref().unwrap().standardised.square();
        (running(&network)[0][0].clone(), z.mean(Kind::Double).double_value(&[]))
    };
    let (slow, narrow) = train(json!({}));
    let (quick, wide) = train(json!({ "momentum": 0.5, "epsilon": 100.0 }));
    assert_close("means", &quick, &slow.iter().map(|mean| 5.0 * mean).collect::<Vec<_>>(), 1e-12);
    assert!(narrow > 0.999 && wide < 0.5, "{narrow}, {wide}");
}

/// PyTorch refuses it: there is no variance.
#[test]
fn a_minibatch_of_one_sample_is_normalised_by_what_training_left_and_leaves_it() {
    let mut case = case("batch_norm", "relu", 5, &[6, 4], 7, 4);
    update(&mut case.network, &case.images);
    let before = running(&case.network);
    let one = case.images.narrow(0, 3, 1);
    let pass = case.network.training_pass(Inputs::Dense(one.shallow_clone()));
    case.network.follow(&pass);
    assert_eq!(running(&case.network), before);
    assert_eq!(numbers(&pass.logits), logits(&case.network, &one, Pass::evaluation()));
    let loss = CrossEntropy::of(&pass.logits, &case.labels.narrow(0, 3, 1));
    let gradients = case.network.backward(&pass, &loss, false).gradients;
    assert!(gradients.iter().flatten().all(|gradient| gradient.isfinite().all().int64_value(&[]) == 1));
    assert!(gradients[0][0].norm().double_value(&[]) > 0.0);
}

#[test]
fn a_fresh_network_has_gains_of_one_and_the_weights_of_one_without_normalisation() {
    for rule in ["layer_norm", "batch_norm"] {
        let shape = Shape { inputs: 5, convolutions: None, hidden: vec![6, 4], outputs: 3, kind: Kind::Float };
        let generator = || Generator::named("initialisation", 5);
        let plain = Chain::new(shape.clone(), activation("crelu"), Device::Cpu, &mut generator());
        let network = network(shape, "crelu", normalization(rule, json!({})), &mut generator());
        let mut names = Vec::new();
        for (layer, plain) in network.layers().iter().zip(plain.layers()) {
            assert_eq!(layer.weight(), plain.weight());
            if let Some((gain, shift)) = layer.gain_and_shift() {
                let units = layer.weight().size()[0] as usize;
                assert_eq!(
                    (numbers(&gain.to_kind(Kind::Double)), numbers(&shift.to_kind(Kind::Double))),
                    (vec![1.0; units], vec![0.0; units])
                );
            }
            names.extend(layer.parameters.iter().map(|parameter| parameter.name.as_str()));
        }
        let of_hidden = |layer: &str| ["weight", "bias", "gain", "shift"].map(|role| format!("{layer}.{role}"));
        let expected = [&of_hidden("fc1")[..], &of_hidden("fc2"), &["fc3.weight".to_owned(), "fc3.bias".to_owned()]];
        assert_eq!(names, expected.concat());
    }
}

#[test]
fn gains_and_shifts_count() {
    let shape = Shape { inputs: 784, convolutions: None, hidden: vec![256, 256], outputs: 10, kind: Kind::Float };
    let [relu, crelu] = ["relu", "crelu"].map(activation);
    assert_eq!(shape.parameter_count(relu.as_ref(), true), 269_322 + 4 * 256);
    assert_eq!(shape.parameter_count(crelu.as_ref(), true), 337_418 + 4 * 256);
    // 2 w^2 + 810 w + 10 is nearest to 269,322 at w = 217: 269,958, against 268,282 at 216.
    let matched = shape.matched(crelu.as_ref(), true);
    assert_eq!(matched.hidden, [217, 217]);
    assert_eq!(matched.parameter_count(crelu.as_ref(), true), 269_958);
    let rule = normalization("layer_norm", json!({}));
    let network = network(matched, "crelu", rule, &mut Generator::named("initialisation", 0));
    assert_eq!(network.layers().iter().map(Layer::count).sum::<usize>(), 269_958);
}

#[test]
fn a_restored_network_computes_the_same() {
    for rule in ["layer_norm", "batch_norm"] {
        let mut before = case(rule, "relu", 5, &[6, 4], 7, 5);
        update(&mut before.network, &before.images);
        let state = state_of(&before.network as &dyn Model);
        let mut after = case(rule, "relu", 5, &[6, 4], 7, 6);
        let of = |case: &Case, pass| logits(&case.network, &before.images, pass);
        assert_ne!(of(&after, Pass::evaluation()), of(&before, Pass::evaluation()));
        Model::restore(&mut after.network, &state).unwrap();
        for pass in [Pass::evaluation, Pass::training] {
            assert_eq!(of(&after, pass()), of(&before, pass()));
        }
    }
}

#[test]
fn drawing_all_parameters_anew_forgets_the_running_statistics() {
    let mut case = case("batch_norm", "relu", 5, &[6, 4], 7, 7);
    let fresh = running(&case.network);
    update(&mut case.network, &case.images);
    assert_ne!(running(&case.network), fresh);
    case.network.initialise(&mut Generator::named("initialisation", 0));
    assert_eq!(running(&case.network), fresh);
    assert_eq!(numbers(case.network.layers()[0].gain_and_shift().unwrap().0), [1.0; 6]);
}
