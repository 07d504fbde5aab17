//! Gradient noise, curvature and indicators of networks whose hidden layers are normalised.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_baselines::indicator::{LayerGradient, Observation, Shared};
use trainability_baselines::penalty::Penalty;
use trainability_baselines::registry::INDICATORS;
use trainability_tensor::lanczos::{Ends, LanczosOptions, extreme_eigenvalues};
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{Gradients, LayerDelta, LayerTrace, LinearMap, NormalisedTrace};

use crate::model::{Model, Pass, cross_entropy, deltas, gradients};
use crate::probe::hessian::Hessian;
use crate::probe::noise::{noise_variance, squared_norm};
use crate::testing::networks::penalty;
use crate::testing::normalised::{Case, assert_close, case, numbers};
use crate::testing::{layer_curvatures, traced};

/// Trace without graph, deltas, and the gradient of the mean cross-entropy, as an update sees them.
fn measure(case: &Case) -> (Vec<LayerTrace>, Vec<Option<LayerDelta>>, Gradients) {
    let (logits, trace) = traced(&case.network, &case.images, Pass::training());
    let loss = cross_entropy(&logits, &case.labels);
    let gradients = gradients(case.network.layers(), &loss, true);
    let deltas = deltas(&trace, &loss, case.labels.size()[0]);
    (trace.iter().map(LayerTrace::detach).collect(), deltas, gradients)
}

/// The gradient of single samples' own loss in one layer, a row a sample: of B forward passes of all samples, each
/// differentiated for one.
fn per_sample_gradients(case: &Case, layer: usize) -> Tensor {
    let row = |sample: i64| {
        let logits = case.network.forward(&case.images, &mut Pass::training());
        let loss = cross_entropy(&logits.narrow(0, sample, 1), &case.labels.narrow(0, sample, 1));
        let gradients = &gradients(case.network.layers(), &loss, false)[layer];
        Tensor::cat(&gradients.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0)
    };
    Tensor::stack(&(0..case.images.size()[0]).map(row).collect::<Vec<_>>(), 0)
}

fn variance(rows: &Tensor) -> f64 {
    let centred = rows - rows.mean_dim(0, true, Kind::Double);
    centred.square().sum(Kind::Double).double_value(&[]) / rows.size()[0] as f64
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{found} against {expected}");
}

#[test]
fn per_sample_variance_under_layer_norm_equals_a_loop_over_samples() {
    for unit in ["relu", "crelu", "tanh"] {
        let case = case("layer_norm", unit, 5, &[6, 4], 9, 1);
        let (trace, deltas, gradients) = measure(&case);
        for layer in 0..3 {
            let rows = per_sample_gradients(&case, layer);
            let found = noise_variance(&trace[layer], deltas[layer].as_ref().unwrap(), &gradients[layer]);
            close(found, variance(&rows), 1e-9);
        }
    }
}

#[test]
fn the_fisher_proxy_under_layer_norm_equals_singular_values_of_stacked_gradients() {
    for seed in 0..3 {
        let case = case("layer_norm", "relu", 5, &[6, 4], 9, seed);
        let (trace, deltas, _) = measure(&case);
        let rows: Vec<Tensor> = (0..3).map(|layer| per_sample_gradients(&case, layer)).collect();
        let share = |rows: &Tensor| {
            let values = numbers(&rows.mm(&rows.tr()).svd(true, false).1);
            let total: f64 = values.iter().sum();
            let mut sum = 0.0;
            let reached = values.iter().position(|value| {
                sum += value;
                sum >= 0.99 * total
            });
            (reached.unwrap() + 1) as f64 / 9.0
        };
        assert_eq!(fisher_rank(&trace, &deltas), Some(share(&Tensor::cat(&rows, 1))));
        for (layer, rows) in rows.iter().enumerate() {
            assert_eq!(fisher_rank(&trace[layer..=layer], &deltas[layer..=layer]), Some(share(rows)));
        }
    }
}

/// Why a sample has no gradient of its own there: it would be another beside other samples.
#[test]
fn batch_norm_makes_a_samples_gradient_depend_on_the_others() {
    let mut case = case("batch_norm", "tanh", 5, &[6, 4], 9, 2);
    let of_first = |case: &Case| [0, 1].map(|layer| per_sample_gradients(case, layer).get(0));
    let before = of_first(&case);
    let mut other = case.images.get(5);
    other += 0.5;
    for (layer, (before, after)) in before.iter().zip(of_first(&case)).enumerate() {
        assert!((before - after).norm().double_value(&[]) > 1e-3, "layer {layer}");
    }
    // Under layer normalisation it does not.
    case = self::case("layer_norm", "tanh", 5, &[6, 4], 9, 2);
    let before = of_first(&case);
    let mut other = case.images.get(5);
    other += 0.5;
    for (before, after) in before.iter().zip(of_first(&case)) {
        assert!(before.allclose(&after, 1e-13, 1e-14, false));
    }
}

/// The output layer's parameters enter no statistics: at those of the minibatch, each sample has its gradient.
#[test]
fn under_batch_norm_the_noise_of_the_output_layer_alone_is_defined() {
    for unit in ["relu", "crelu"] {
        let case = case("batch_norm", unit, 5, &[6, 4], 9, 3);
        let (trace, deltas, gradients) = measure(&case);
        assert!(deltas[0].is_none() && deltas[1].is_none());
        let (trace, delta) = (&trace[2], deltas[2].as_ref().unwrap());
        // By hand: sample i's gradient is (p_i - y_i) a_i^T for the weight, and p_i - y_i for the bias.
        let errors = trace.pre_activation.softmax(1, Kind::Double) - case.labels.one_hot(4);
        let rows = Tensor::cat(&[(errors.unsqueeze(2) * trace.input.unsqueeze(1)).flatten(1, 2), errors], 1);
        close(noise_variance(trace, delta, &gradients[2]), variance(&rows), 1e-9);
        let mean = Tensor::cat(&gradients[2].iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
        assert!(rows.mean_dim(0, false, Kind::Double).allclose(&mean, 1e-10, 1e-12, false));
    }
}

/// The Hessian of the total loss of one layer by central differences of autograd's gradient.
fn dense_block(case: &Case, layer: usize, penalties: &[Box<dyn Penalty>]) -> Tensor {
    const STEP: f64 = 1e-6;
    let gradient = || {
        let logits = case.network.forward(&case.images, &mut Pass::training());
        let mut loss = cross_entropy(&logits, &case.labels);
        for penalty in penalties {
            loss += penalty.loss(&case.network.layers().iter().collect::<Vec<_>>());
        }
        let gradients = &gradients(case.network.layers(), &loss, false)[layer];
        Tensor::cat(&gradients.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0)
    };
    let mut columns = Vec::new();
    for parameter in &case.network.layers()[layer].parameters {
        for index in 0..parameter.value.numel() as i64 {
            let mut entry = parameter.value.detach().view([-1]).get(index);
            entry += STEP;
            let above = gradient();
            entry -= 2.0 * STEP;
            let below = gradient();
            entry += STEP;
            columns.push((above - below) / (2.0 * STEP));
        }
    }
    Tensor::stack(&columns, 1)
}

fn exact() -> LanczosOptions {
    LanczosOptions { products: 400, tolerance: 1e-11 }
}

#[test]
fn the_ends_of_every_block_are_those_of_the_dense_hessian() {
    let shapes: [(i64, &[i64], i64); 3] =
        // More parameters than numbers over a minibatch in the first layer, fewer, and a single hidden layer.
        [(12, &[4, 3], 5), (5, &[6, 4], 12), (6, &[5], 9)];
    for (seed, (inputs, hidden, samples)) in shapes.into_iter().enumerate() {
        for (rule, unit) in
            [("layer_norm", "relu"), ("batch_norm", "crelu"), ("batch_norm", "tanh"), ("layer_norm", "tanh")]
        {
            let case = case(rule, unit, inputs, hidden, samples, seed as u64);
            let (trace, _, _) = measure(&case);
            for names in [&[][..], &["l2_init"], &["wasserstein", "spectral"]] {
                let penalties: Vec<_> = names.iter().map(|name| penalty(name, 0.05, case.network.layers())).collect();
                let mut generator = ChaCha8Rng::seed_from_u64(1);
                let batch = (&case.images, &case.labels);
                let found = layer_curvatures(&case.network, batch, &trace, &penalties, exact(), &mut generator);
                for (layer, found) in found.iter().enumerate() {
                    let block = dense_block(&case, layer, &penalties);
                    let values = numbers(&((&block + block.tr()) / 2.0).linalg_eigvalsh("L"));
                    let (smallest, largest) = (values[0], values[values.len() - 1]);
                    let scale = largest.abs().max(smallest.abs());
                    let what =
                        format!("{rule} {unit} {names:?}, layer {layer}: {found:?}, not {smallest} and {largest}");
                    assert!((found.largest.value - largest).abs() < 1e-6 * scale, "{what}");
                    assert!((found.smallest.value - smallest).abs() < 1e-6 * scale, "{what}");
                    assert!(found.converged, "{what}");
                }
            }
        }
    }
}

/// The way that a graph a layer from its pre-activation replaces: all of the network, differentiated twice.
#[test]
fn the_ends_of_every_block_are_those_of_products_through_the_whole_network() {
    for rule in ["layer_norm", "batch_norm"] {
        let case = case(rule, "relu", 20, &[6, 5], 9, 4);
        let (trace, _, _) = measure(&case);
        let mut generator = ChaCha8Rng::seed_from_u64(1);
        let batch = (&case.images, &case.labels);
        let found = layer_curvatures(&case.network, batch, &trace, &[], exact(), &mut generator);
        for (layer, found) in found.iter().enumerate() {
            let slow = Hessian::of(&case.network, layer..=layer, &case.images, &case.labels, &[]);
            let slow = extreme_eigenvalues(&slow, Ends::Both, exact(), &mut generator);
            close(found.largest.value, slow.largest.value, 1e-9);
            assert!((found.smallest.value - slow.smallest.value).abs() < 1e-9 * slow.largest.value);
        }
    }
}

/// As an update's measurement hands it to the indicators, or a task's start and end do.
fn observe<'a>(
    case: &'a Case,
    trace: &'a [LayerTrace],
    deltas: &'a [Option<LayerDelta>],
    gradients: &'a [LayerGradient],
    hessian: &'a Hessian,
) -> Observation<'a> {
    Observation {
        layers: case.network.layers(),
        trace,
        deltas: Some(deltas),
        gradients: Some(gradients),
        update: None,
        losses: None,
        initial: None,
        tangent_kernels: None,
        hessian: Some(hessian),
        lanczos: exact(),
        spectrum: SpectrumOptions { starts: 1, products: 50 },
        shared: Shared::default(),
    }
}

fn indicator(name: &str, observation: &Observation) -> Option<f64> {
    let indicator = INDICATORS.iter().find(|indicator| indicator.definition().name == name).unwrap();
    indicator.measure(observation, &mut ChaCha8Rng::seed_from_u64(1))
}

fn layer_gradients(measured: &(Vec<LayerTrace>, Vec<Option<LayerDelta>>, Gradients)) -> Vec<LayerGradient> {
    let (trace, deltas, gradients) = measured;
    let of = |layer: usize| LayerGradient {
        sq_norm: squared_norm(&gradients[layer]),
        noise_variance: deltas[layer].as_ref().map(|delta| noise_variance(&trace[layer], delta, &gradients[layer])),
    };
    (0..trace.len()).map(of).collect()
}

#[test]
fn what_needs_gradients_of_single_samples_is_undefined_under_batch_norm() {
    for (rule, defined) in [("layer_norm", true), ("batch_norm", false)] {
        let case = case(rule, "relu", 5, &[6, 4], 9, 5);
        let measured = measure(&case);
        let gradients = layer_gradients(&measured);
        let hessian = Hessian::of(&case.network, .., &case.images, &case.labels, &[]);
        let observation = observe(&case, &measured.0, &measured.1, &gradients, &hessian);
        for name in ["hessian_rank", "gradient_confidence"] {
            assert_eq!(indicator(name, &observation).is_some(), defined, "{rule}: {name}");
            let layerwise = INDICATORS.iter().find(|indicator| indicator.definition().name == name).unwrap();
            let of = |layer| layerwise.layerwise().unwrap().measure_layer(&observation, layer).is_some();
            assert_eq!([0, 1, 2].map(of), [defined, defined, true], "{rule}: {name}");
        }
        for name in [
            "sharpness",
            "gradient_norm",
            "weight_norm",
            "unit_sign_entropy",
            "dead_units",
            "effective_rank",
            "stable_rank",
        ] {
            assert!(indicator(name, &observation).is_some(), "{rule}: {name}");
        }
    }
}

#[test]
fn gains_and_shifts_are_in_the_norms_of_the_parameters() {
    let case = case("layer_norm", "relu", 5, &[6, 4], 9, 6);
    let measured = measure(&case);
    let gradients = layer_gradients(&measured);
    let hessian = Hessian::of(&case.network, .., &case.images, &case.labels, &[]);
    let observation = observe(&case, &measured.0, &measured.1, &gradients, &hessian);
    let all: Vec<f64> =
        case.network.layers().iter().flat_map(|layer| &layer.parameters).flat_map(|p| numbers(&p.value)).collect();
    assert_eq!(all.len(), 5 * 6 + 6 * 4 + 4 * 4 + 3 * 6 + 3 * 4 + 4);
    let mean = all.iter().map(|theta| theta.abs()).sum::<f64>() / all.len() as f64;
    close(indicator("weight_norm", &observation).unwrap(), mean, 1e-12);
    close(indicator("weight_norm_l2", &observation).unwrap(), all.iter().map(|t| t * t).sum::<f64>().sqrt(), 1e-12);
    let gradient: Vec<f64> = measured.2.iter().flatten().flat_map(numbers).collect();
    close(indicator("gradient_norm", &observation).unwrap(), gradient.iter().map(|g| g * g).sum::<f64>().sqrt(), 1e-12);
}

#[test]
fn signs_and_dead_units_are_those_of_what_enters_the_activation() {
    let zeros = |size: [i64; 2]| Tensor::zeros(size, (Kind::Double, tch::Device::Cpu));
    // Two units on four samples: all pre-activations positive; after the normalisation one is dead, and one even.
    let output = Tensor::from_slice(&[-1.0, 1.0, -2.0, -1.0, -1.0, 1.0, -1.0, -1.0]).view([4, 2]);
    let features = output.relu();
    let normalised = Some(NormalisedTrace { standardised: zeros([4, 2]), output });
    let dense = |inputs, outputs| LayerTrace::new(LinearMap::Dense, true, zeros([4, inputs]), outputs);
    let hidden = LayerTrace { normalised, features: Some(features), ..dense(1, zeros([4, 2]) + 1.0) };
    let logits = dense(2, zeros([4, 3]));
    let trace = [hidden, logits];
    let case = case("layer_norm", "relu", 1, &[2], 4, 7);
    let hessian = Hessian::of(&case.network, .., &case.images, &case.labels, &[]);
    let observation = observe(&case, &trace, &[], &[], &hessian);
    assert_eq!(indicator("dead_units", &observation), Some(0.5));
    assert_close("entropy", &[indicator("unit_sign_entropy", &observation).unwrap()], &[0.5 * 2f64.ln()], 1e-15);
    assert_eq!(indicator("effective_rank", &observation).map(f64::round), Some(1.0));
}
