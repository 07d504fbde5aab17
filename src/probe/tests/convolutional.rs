//! Measurements of convolutional networks against a slow, obvious second computation in f64.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_baselines::indicator::{Observation, Shared};
use trainability_baselines::penalty::Penalty;
use trainability_baselines::registry::INDICATORS;
use trainability_tensor::Filters;
use trainability_tensor::lanczos::{LanczosOptions, SymmetricOperator};
use trainability_tensor::spectrum::SpectrumOptions;

use crate::model::Model;
use crate::probe::gauss_newton::logit_factors;
use crate::probe::hessian::Hessian;
use crate::probe::noise::noise_variance;
use crate::probe::patch_side::PatchSide;
use crate::testing::convolutional::{Case, case, cases, relative, shape};
use crate::testing::layer_curvatures;
use crate::testing::networks::penalty;

#[test]
fn per_sample_variance_equals_a_loop_over_samples() {
    for case in cases().iter().filter(|case| case.images.size()[0] > 1) {
        let (trace, deltas, gradients) = case.measure();
        for (layer, rows) in case.per_sample_gradients().iter().enumerate() {
            let centred = rows - rows.mean_dim(0, true, Kind::Double);
            let expected = centred.square().sum(Kind::Double).double_value(&[]) / rows.size()[0] as f64;
            let found = noise_variance(&trace[layer], deltas[layer].as_ref().unwrap(), &gradients[layer]);
            assert!(relative(found, expected) < 1e-9, "layer {layer}: {found} against {expected}");
        }
    }
}

#[test]
fn a_doubled_batch_has_the_same_variance_and_one_sample_has_none() {
    let of = |samples| case(Box::new(Relu), shape([1, 5, 4], &[2, 3], &[4]), samples, 1);
    let mut doubled = of(7);
    doubled.images = doubled.images.repeat([2, 1]);
    doubled.labels = doubled.labels.repeat([2]);
    let variance = |case: &Case| -> Vec<f64> {
        let (trace, deltas, gradients) = case.measure();
        (0..4).map(|layer| noise_variance(&trace[layer], deltas[layer].as_ref().unwrap(), &gradients[layer])).collect()
    };
    for (a, b) in variance(&of(7)).into_iter().zip(variance(&doubled)) {
        assert!(a > 0.0 && relative(a, b) < 1e-12, "{a} against {b}");
    }
    assert!(variance(&of(1)).iter().all(|&variance| variance == 0.0));
}

#[test]
fn the_fisher_rank_proxy_equals_singular_values_of_stacked_gradients() {
    let rank = |rows: &Tensor| {
        let spectrum: Vec<f64> = Vec::try_from(rows.svd(true, false).1).unwrap();
        let squares: Vec<f64> = spectrum.iter().map(|value| value * value).collect();
        let total: f64 = squares.iter().sum();
        let reached = |count: &usize| squares[..*count].iter().sum::<f64>() >= 0.99 * total;
        (1..=squares.len()).find(reached).unwrap() as f64 / rows.size()[0] as f64
    };
    for case in cases() {
        let (trace, deltas, _) = case.measure();
        let rows = case.per_sample_gradients();
        assert_eq!(fisher_rank(&trace, &deltas), Some(rank(&Tensor::cat(&rows, 1))));
        for (layer, rows) in rows.iter().enumerate() {
            assert_eq!(fisher_rank(&trace[layer..=layer], &deltas[layer..=layer]), Some(rank(rows)));
        }
    }
}

/// The whole Hessian by central differences of the gradient of plain code.
fn dense_hessian(case: &Case, penalties: &[Box<dyn Penalty>]) -> Tensor {
    const STEP: f64 = 1e-6;
    let gradient = || {
        let mut loss = case.plain_loss(&case.images, &case.labels);
        for penalty in penalties {
            loss += penalty.loss(&case.network.layers().iter().collect::<Vec<_>>());
        }
        Tensor::cat(&case.flat_gradient(&loss), 0)
    };
    let mut columns = Vec::new();
    for parameter in case.network.layers().iter().flat_map(|layer| &layer.parameters) {
        let flat = parameter.value.detach().view([-1]);
        for index in 0..flat.size()[0] {
            let at = |by: f64| {
                let mut entry = flat.get(index);
                entry += by;
                gradient()
            };
            let (above, below) = (at(STEP), at(-2.0 * STEP));
            let mut entry = flat.get(index);
            entry += STEP;
            columns.push((above - below) / (2.0 * STEP));
        }
    }
    Tensor::stack(&columns, 1)
}

/// Exact columns of an operator's matrix.
fn matrix(operator: &dyn SymmetricOperator) -> Tensor {
    let identity = Tensor::eye(operator.size(), (Kind::Double, tch::Device::Cpu));
    Tensor::stack(&(0..operator.size()).map(|i| operator.apply(&identity.get(i))).collect::<Vec<_>>(), 1)
}

#[test]
fn every_layers_eigenvalues_are_those_of_its_block_of_the_dense_hessian() {
    for case in cases() {
        let of =
            |names: &[&str]| names.iter().map(|name| penalty(name, 0.05, case.network.layers())).collect::<Vec<_>>();
        for penalties in [of(&[]), of(&["wasserstein"]), of(&["spectral"])] {
            let whole = dense_hessian(&case, &penalties);
            let found = matrix(&Hessian::of(&case.network, .., &case.images, &case.labels, &penalties));
            assert!(found.allclose(&whole, 1e-5, 1e-5, false));

            let options = LanczosOptions { products: 400, tolerance: 1e-10 };
            let mut generator = ChaCha8Rng::seed_from_u64(1);
            let trace = case.trace();
            let batch = (&case.images, &case.labels);
            let all = layer_curvatures(&case.network, batch, &trace, &penalties, options, &mut generator);
            let mut first = 0;
            for (index, found) in all.iter().enumerate() {
                let length = case.network.layers()[index].count() as i64;
                let values = whole.narrow(0, first, length).narrow(1, first, length).linalg_eigvalsh("L");
                let (smallest, largest) = (values.double_value(&[0]), values.double_value(&[-1]));
                assert!(relative(found.largest.value, largest) < 1e-5, "layer {index}: {found:?} against {largest}");
                assert!((found.smallest.value - smallest).abs() < 1e-5 * largest, "{found:?} against {smallest}");
                // Without what differences cost.
                let block = matrix(&Hessian::of(&case.network, index..=index, &case.images, &case.labels, &penalties));
                let largest = block.linalg_eigvalsh("L").double_value(&[-1]);
                assert!(relative(found.largest.value, largest) < 1e-7, "layer {index}: {found:?} against {largest}");
                first += length;
            }
        }
    }
}

#[test]
fn a_convolutions_gauss_newton_products_are_those_of_differentiating_twice() {
    let mut blocks = 0;
    for case in cases().iter().filter(|case| case.network.activation().piecewise_linear()) {
        let trace = case.trace();
        let factors = tch::no_grad(|| logit_factors(case.network.chain().unwrap(), &trace));
        for layer in (0..trace.len()).filter(|layer| case.is_convolution(*layer)) {
            let found = matrix(&PatchSide::new(Filters::default(), &trace[layer].input, &factors[layer]));
            let expected = matrix(&Hessian::of(&case.network, layer..=layer, &case.images, &case.labels, &[]));
            let apart = (&found - &expected).abs().max().double_value(&[]);
            assert!(apart < 1e-12 * expected.abs().max().double_value(&[]), "layer {layer}: {apart}");
            blocks += 1;
        }
    }
    assert_eq!(blocks, 16);
}

/// An indicator's values on hidden layers, and their mean.
fn indicator(name: &str, case: &Case) -> (Vec<f64>, f64) {
    let trace = case.trace();
    let observation = Observation {
        layers: case.network.layers(),
        trace: &trace,
        deltas: None,
        gradients: None,
        update: None,
        losses: None,
        initial: None,
        tangent_kernels: None,
        hessian: None,
        lanczos: LanczosOptions::default(),
        spectrum: SpectrumOptions::default(),
        shared: Shared::default(),
    };
    let indicator = INDICATORS.iter().find(|indicator| indicator.definition().name == name).unwrap();
    let layerwise = indicator.layerwise().unwrap();
    let hidden = (0..trace.len() - 1).map(|layer| layerwise.measure_layer(&observation, layer).unwrap());
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    (hidden.collect(), indicator.measure(&observation, &mut generator).unwrap())
}

#[test]
fn a_unit_of_a_convolution_is_a_channel_on_all_images_and_positions() {
    for activation in [Box::new(Relu) as Box<dyn Activation>, Box::new(Crelu)] {
        let crelu = activation.features(1) == 2;
        let case = case(activation, shape([1, 5, 4], &[3, 4], &[5]), 6, 3);
        // The second channel of the first layer and the third of the second never fire, the first always does.
        for (layer, channel, bias) in [(0, 1, -100.0), (1, 2, -1000.0), (0, 0, 100.0)] {
            let mut entry = case.network.layers()[layer].bias().unwrap().detach().get(channel);
            let _ = entry.fill_(bias);
        }
        let trace = case.trace();
        let channels = |layer: usize| -> Vec<Vec<f64>> {
            let z = &trace[layer].pre_activation;
            (0..z.size()[1]).map(|c| Vec::try_from(z.select(1, c).flatten(0, -1)).unwrap()).collect()
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let entropy = |values: &Vec<f64>| {
            let p = values.iter().filter(|z| **z > 0.0).count() as f64 / values.len() as f64;
            [p, 1.0 - p].iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum::<f64>()
        };
        let dead = |values: &Vec<f64>| {
            let halves = [values.iter().all(|z| *z <= 0.0), values.iter().all(|z| *z >= 0.0)];
            let count = if crelu { 2 } else { 1 };
            halves[..count].iter().filter(|dead| **dead).count() as f64 / count as f64
        };
        let layer_mean = |of: &dyn Fn(&Vec<f64>) -> f64| -> Vec<f64> {
            (0..3).map(|layer| mean(&channels(layer).iter().map(of).collect::<Vec<_>>())).collect()
        };
        for (name, expected) in [("unit_sign_entropy", layer_mean(&entropy)), ("dead_units", layer_mean(&dead))] {
            let (found, whole) = indicator(name, &case);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-12, "{name}: {found} against {expected}");
            }
            assert!((whole - mean(&expected)).abs() < 1e-12, "{name}");
        }
        assert!(layer_mean(&dead)[0] > 0.0 && layer_mean(&dead)[1] > 0.0);

        for (layer, passed) in trace[..3].iter().enumerate() {
            let activations = case.network.activation().forward(&passed.pre_activation, passed.map);
            let values: Vec<f64> = Vec::try_from(activations.reshape([6, -1]).svd(true, false).1).unwrap();
            let total: f64 = values.iter().sum();
            let effective = values.iter().filter(|v| **v > 0.0).map(|v| -(v / total) * (v / total).ln()).sum::<f64>();
            let stable = (1..).find(|count| values[..*count].iter().sum::<f64>() >= 0.99 * total).unwrap();
            assert!(relative(indicator("effective_rank", &case).0[layer], effective.exp()) < 1e-9);
            assert_eq!(indicator("stable_rank", &case).0[layer], stable as f64);
        }
    }
}
