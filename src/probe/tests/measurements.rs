//! Every measurement against a slow, obvious second computation in f64.

use tch::{Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::activation::crelu::Crelu;
use trainability_baselines::activation::deep_fourier::DeepFourier;
use trainability_baselines::activation::identity::Identity;
use trainability_baselines::activation::leaky_relu::LeakyRelu;
use trainability_baselines::activation::relu::Relu;
use trainability_baselines::activation::tanh::Tanh;
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_baselines::penalty::Penalty;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::layer::tensors;
use trainability_tensor::{Generator, LayerDelta, LayerTrace};

use super::blocks::curvatures;
use crate::model::{self, Chain, Model, Shape, cross_entropy};
use crate::probe::hessian::Hessian;
use crate::probe::noise::{noise_variance, squared_norm};
use crate::testing::networks::{chain, disturb, logits, matrix, penalty, traced};

struct Case {
    network: Chain,
    images: Tensor,
    labels: Tensor,
}

/// A small f64 network with biases that are not zero, and a random batch.
fn case(activation: Box<dyn Activation>, hidden: &[i64], samples: usize, seed: u64) -> Case {
    let shape = Shape { inputs: 6, convolutions: None, hidden: hidden.to_vec(), outputs: 4, kind: Kind::Double };
    let mut generator = Generator::named("test", seed);
    let mut network = chain(shape, activation, &mut generator);
    disturb(network.layers_mut(), 0.3, &mut generator);
    let images = generator.uniform(&[samples as i64, 6], 2.0, Kind::Double);
    Case { network, images, labels: generator.labels(samples, 4) }
}

fn cases() -> Vec<Case> {
    vec![
        case(Box::new(Relu), &[5, 7], 9, 1),
        case(Box::new(Crelu), &[5, 3], 9, 2),
        case(Box::new(Relu), &[4, 5, 6, 3], 12, 3),
        // Fewer parameters than logits in a batch: the products run on the parameters' side.
        case(Box::new(Relu), &[3], 60, 4),
        // One sample.
        case(Box::new(Crelu), &[4], 1, 5),
        case(Box::new(LeakyRelu { slope: 0.3 }), &[5, 4], 9, 6),
        case(Box::new(Identity), &[5, 4], 9, 7),
        // Not piecewise linear: its blocks have more than the Gauss-Newton part.
        case(Box::new(Tanh), &[5, 4], 9, 8),
        case(Box::new(DeepFourier), &[5, 4], 9, 9),
    ]
}

/// Trace without graph, deltas, and the gradient of the mean cross-entropy.
fn measure(case: &Case) -> (Vec<LayerTrace>, Vec<Option<LayerDelta>>, Vec<Vec<Tensor>>) {
    let trace = traced(&case.network, &case.images);
    let loss = cross_entropy(logits(&trace), &case.labels);
    let gradients = model::gradients(case.network.layers(), &loss, true);
    let deltas = model::deltas(&trace, &loss, case.labels.size()[0]);
    (trace.iter().map(LayerTrace::detach).collect(), deltas, gradients)
}

/// Gradients of each sample's own loss, by a backward pass a sample: for each layer, B rows of all its parameters.
fn per_sample_gradients(case: &Case) -> Vec<Tensor> {
    let samples = case.images.size()[0];
    let mut rows: Vec<Vec<Tensor>> = case.network.layers().iter().map(|_| Vec::new()).collect();
    for sample in 0..samples {
        let trace = traced(&case.network, &case.images.narrow(0, sample, 1));
        let loss = cross_entropy(logits(&trace), &case.labels.narrow(0, sample, 1));
        for (layer, gradients) in model::gradients(case.network.layers(), &loss, false).iter().enumerate() {
            rows[layer].push(Tensor::cat(&gradients.iter().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0));
        }
    }
    rows.iter().map(|rows| Tensor::stack(rows, 0)).collect()
}

fn relative(found: f64, expected: f64) -> f64 {
    (found - expected).abs() / expected.abs().max(f64::MIN_POSITIVE)
}

#[test]
fn per_sample_variance_equals_a_loop_over_samples() {
    for case in cases().iter().filter(|case| case.images.size()[0] > 1) {
        let (trace, deltas, gradients) = measure(case);
        for (layer, rows) in per_sample_gradients(case).iter().enumerate() {
            let centred = rows - rows.mean_dim(0, true, Kind::Double);
            let expected = centred.square().sum(Kind::Double).double_value(&[]) / rows.size()[0] as f64;
            let found = noise_variance(&trace[layer], deltas[layer].as_ref().unwrap(), &gradients[layer]);
            assert!(relative(found, expected) < 1e-9, "layer {layer}: {found} against {expected}");
        }
    }
}

#[test]
fn a_doubled_batch_has_the_same_variance_and_one_sample_has_none() {
    let single = case(Box::new(Relu), &[5, 7], 9, 1);
    let doubled = Case {
        images: Tensor::cat(&[&single.images, &single.images], 0),
        labels: Tensor::cat(&[&single.labels, &single.labels], 0),
        ..case(Box::new(Relu), &[5, 7], 9, 1)
    };
    let variance = |case: &Case| -> Vec<f64> {
        let (trace, deltas, gradients) = measure(case);
        (0..3).map(|layer| noise_variance(&trace[layer], deltas[layer].as_ref().unwrap(), &gradients[layer])).collect()
    };
    for (a, b) in variance(&single).into_iter().zip(variance(&doubled)) {
        assert!(a > 0.0 && relative(a, b) < 1e-12, "{a} against {b}");
    }
    assert!(variance(&case(Box::new(Relu), &[5, 7], 1, 1)).iter().all(|&variance| variance == 0.0));
}

/// The whole Hessian by central differences of the gradient: nothing in common with Hessian-vector products.
fn dense_hessian(case: &mut Case, penalties: &[Box<dyn Penalty>]) -> Tensor {
    const STEP: f64 = 1e-6;
    let total_gradient = |case: &Case| {
        let mut loss = cross_entropy(logits(&traced(&case.network, &case.images)), &case.labels);
        for penalty in penalties {
            loss += penalty.loss(&case.network.layers().iter().collect::<Vec<_>>());
        }
        let gradients = model::gradients(case.network.layers(), &loss, false);
        Tensor::cat(&gradients.iter().flatten().map(|g| g.flatten(0, -1)).collect::<Vec<_>>(), 0)
    };
    let places: Vec<(usize, usize, i64)> = case
        .network
        .layers()
        .iter()
        .enumerate()
        .flat_map(|(l, layer)| {
            layer
                .parameters
                .iter()
                .enumerate()
                .flat_map(move |(p, q)| (0..q.value.numel() as i64).map(move |i| (l, p, i)))
        })
        .collect();
    let mut columns = Vec::new();
    for (layer, parameter, index) in places {
        let shift = |case: &mut Case, by: f64| {
            let value = &mut case.network.layers_mut()[layer].parameters[parameter].value;
            tch::no_grad(|| {
                let mut entry = value.view([-1]).get(index);
                entry += by;
            });
        };
        shift(case, STEP);
        let above = total_gradient(case);
        shift(case, -2.0 * STEP);
        let below = total_gradient(case);
        shift(case, STEP);
        columns.push((above - below) / (2.0 * STEP));
    }
    Tensor::stack(&columns, 1)
}

fn exact() -> LanczosOptions {
    LanczosOptions { products: 400, tolerance: 1e-10 }
}

#[test]
fn hessian_products_equal_differences_of_gradients_and_a_block_is_a_sub_block() {
    for mut case in cases() {
        let penalties = ["l2_loss", "wasserstein", "spectral"].map(|name| penalty(name, 0.05, case.network.layers()));
        let expected = dense_hessian(&mut case, &penalties);
        let whole = matrix(&Hessian::of(&case.network, .., &case.images, &case.labels, &penalties));
        assert!(whole.allclose(&expected, 1e-5, 1e-6, false), "{}", (&whole - &expected).abs().max().double_value(&[]));
        let mut first = 0;
        for (index, layer) in case.network.layers().iter().enumerate() {
            let length = layer.count() as i64;
            let block = matrix(&Hessian::of(&case.network, index..=index, &case.images, &case.labels, &penalties));
            let sub_block = whole.narrow(0, first, length).narrow(1, first, length);
            assert!(block.allclose(&sub_block, 1e-10, 1e-12, false));
            first += length;
        }
    }
}

#[test]
fn lanczos_equals_the_dense_blocks_eigenvalues() {
    for case in cases() {
        for penalties in [vec![], vec![penalty("wasserstein", 0.05, case.network.layers())]] {
            let found = curvatures(&case.network, &case.images, &case.labels, &penalties, exact(), 1);
            for (index, found) in found.iter().enumerate() {
                let block = matrix(&Hessian::of(&case.network, index..=index, &case.images, &case.labels, &penalties));
                let values = block.linalg_eigvalsh("L");
                let (smallest, largest) = (values.double_value(&[0]), values.double_value(&[-1]));
                assert!(found.converged && found.largest.residual < 1e-6);
                assert!(relative(found.largest.value, largest) < 1e-6, "{found:?} against {largest}");
                assert!((found.smallest.value - smallest).abs() < 1e-6 * largest, "{found:?} against {smallest}");
            }
        }
    }
}

#[test]
fn at_the_default_tolerance_the_largest_eigenvalue_is_within_a_percent() {
    let case = case(Box::new(Relu), &[40, 40], 100, 8);
    let values = |options| curvatures(&case.network, &case.images, &case.labels, &[], options, 2);
    for (quick, exact) in values(LanczosOptions::default()).iter().zip(values(exact())) {
        assert!(quick.converged && quick.products < 40, "{quick:?}");
        assert!(relative(quick.largest.value, exact.largest.value) < 0.01, "{quick:?} against {exact:?}");
    }
}

#[test]
fn the_wasserstein_gradient_equals_autograd_through_a_sort() {
    for kind in [Kind::Double, Kind::Float] {
        let shape = Shape { inputs: 30, convolutions: None, hidden: vec![20], outputs: 4, kind };
        let mut generator = Generator::named("test", 3);
        let mut network = chain(shape, Box::new(Relu), &mut generator);
        let mut penalty = penalty("wasserstein", 0.05, network.layers());
        disturb(network.layers_mut(), 0.2, &mut generator);
        let loss = penalty.loss(&network.layers().iter().collect::<Vec<_>>());
        let expected = model::gradients(network.layers(), &loss, false);
        let mut found: Vec<Vec<Tensor>> =
            expected.iter().map(|layer| layer.iter().map(|g| g.full_like(0.25)).collect()).collect();
        penalty.add_gradient(network.layers(), &mut found);
        let tolerance = if kind == Kind::Double { 1e-13 } else { 1e-6 };
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - 0.25).allclose(expected, tolerance, tolerance, false));
        }
    }
}

#[test]
fn the_l2_gradient_equals_autograd() {
    let case = case(Box::new(Crelu), &[5, 3], 4, 6);
    let mut penalty = penalty("l2_loss", 0.05, case.network.layers());
    let expected = model::gradients(
        case.network.layers(),
        &penalty.loss(&case.network.layers().iter().collect::<Vec<_>>()),
        false,
    );
    let mut found: Vec<Vec<Tensor>> = expected.iter().map(|l| l.iter().map(Tensor::zeros_like).collect()).collect();
    penalty.add_gradient(case.network.layers(), &mut found);
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        assert!(found.allclose(expected, 1e-14, 1e-14, false));
    }
    let sum: f64 = tensors(case.network.layers()).map(|t| squared_norm([t])).sum();
    let loss = penalty.loss(&case.network.layers().iter().collect::<Vec<_>>()).double_value(&[]);
    assert!(relative(loss, 0.05 * sum) < 1e-12);
}

#[test]
fn the_fisher_rank_proxy_equals_singular_values_of_stacked_gradients() {
    for case in cases() {
        let (trace, deltas, _) = measure(&case);
        let rows = Tensor::cat(&per_sample_gradients(&case), 1);
        let (_, spectrum, _) = rows.mm(&rows.tr()).svd(true, false);
        let spectrum: Vec<f64> = Vec::try_from(spectrum).unwrap();
        let total: f64 = spectrum.iter().sum();
        let mut reached = 0.0;
        let count = spectrum
            .iter()
            .take_while(|value| {
                let before = reached;
                reached += **value;
                before < 0.99 * total
            })
            .count();
        let expected = count as f64 / rows.size()[0] as f64;
        assert_eq!(fisher_rank(&trace, &deltas), Some(expected));
    }
}
