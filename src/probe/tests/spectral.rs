//! The spectral penalty: its warm gradient against autograd through an exact decomposition, its Hessian and the blocks
//! that it is part of against second derivatives by autograd.

use tch::{Kind, Tensor};
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu};
use trainability_baselines::penalty::Penalty;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::{Generator, Gradients, Parameter};

use super::blocks::curvatures;
use crate::model::{Chain, Model, Shape, cross_entropy};
use crate::testing::networks::{chain, disturb, logits, traced};

const COEFFICIENT: f64 = 0.05;

/// Of features 6 or 30 to 20, 7 and 4 units: weights with more rows than columns, and with fewer. The penalties have
/// seen it.
fn network(activation: Box<dyn Activation>, inputs: i64, kind: Kind) -> Chain {
    tch::set_num_threads(1);
    let shape = Shape { inputs, convolutions: None, hidden: vec![20, 7], outputs: 4, kind };
    chain(shape, activation, &mut Generator::named("test", 3))
}

fn penalty(name: &str, network: &Chain) -> Box<dyn Penalty> {
    crate::testing::networks::penalty(name, COEFFICIENT, network.layers())
}

/// Multiplies all parameters, then adds uniform noise.
fn change(network: &mut Chain, factor: f64, noise: f64, seed: u64) {
    for parameter in network.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters) {
        tch::no_grad(|| drop(parameter.value.g_mul_scalar_(factor)));
    }
    disturb(network.layers_mut(), noise, &mut Generator::named("noise", seed));
}

/// By autograd through the decomposition; the biases have none.
fn exact_gradient(penalty: &dyn Penalty, network: &Chain) -> Vec<Tensor> {
    let loss = penalty.loss(&network.layers().iter().collect::<Vec<_>>());
    let weights: Vec<&Tensor> = network.layers().iter().map(|layer| layer.weight()).collect();
    Tensor::run_backward(&[loss], &weights, false, false)
}

/// What the penalty adds to a gradient that was not zero.
fn added_gradient(penalty: &mut dyn Penalty, network: &Chain) -> Gradients {
    let filled = |p: &Parameter| p.value.detach().full_like(0.25);
    let mut gradients: Gradients =
        network.layers().iter().map(|layer| layer.parameters.iter().map(filled).collect()).collect();
    penalty.add_gradient(network.layers(), &mut gradients);
    gradients.into_iter().map(|layer| layer.into_iter().map(|gradient| gradient - 0.25).collect()).collect()
}

/// The largest relative error of a weight's gradient.
fn error(found: &Gradients, expected: &[Tensor]) -> f64 {
    let errors = found.iter().zip(expected).map(|(found, expected)| {
        assert_eq!(found[1].abs().max().double_value(&[]), 0.0, "biases are left alone");
        ((&found[0] - expected).norm() / expected.norm()).double_value(&[])
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn the_gradient_is_exact_at_the_start_and_converges_to_the_exact_one_on_weights_that_stand_still() {
    for (inputs, kind, tolerance) in [(6, Kind::Double, 1e-9), (30, Kind::Double, 1e-9), (30, Kind::Float, 1e-5)] {
        let mut network = network(Box::new(Relu), inputs, kind);
        let mut penalty = penalty("spectral", &network);
        let expected = exact_gradient(penalty.as_ref(), &network);
        let first = error(&added_gradient(penalty.as_mut(), &network), &expected);
        assert!(first < tolerance, "{inputs} {kind:?}: {first}");

        change(&mut network, 0.5, 0.3, 1);
        let expected = exact_gradient(penalty.as_ref(), &network);
        let one_step = error(&added_gradient(penalty.as_mut(), &network), &expected);
        assert!(one_step > 0.05 && one_step < 2.0, "one step after a jump is not there yet: {one_step}");
        (0..600).for_each(|_| drop(added_gradient(penalty.as_mut(), &network)));
        let last = error(&added_gradient(penalty.as_mut(), &network), &expected);
        assert!(last < tolerance, "{inputs} {kind:?}: {last}");
    }
}

#[test]
fn small_steps_are_followed_from_update_to_update() {
    let mut network = network(Box::new(Relu), 30, Kind::Float);
    let mut penalty = penalty("spectral", &network);
    for step in 0..50 {
        change(&mut network, 1.0, 1e-3, step);
        let found = added_gradient(penalty.as_mut(), &network);
        let error = error(&found, &exact_gradient(penalty.as_ref(), &network));
        assert!(error < 0.1, "step {step}: {error}");
    }
}

#[test]
fn a_weight_of_zeros_has_no_gradient_and_no_infinite_curvature() {
    let mut network = network(Box::new(Relu), 6, Kind::Double);
    change(&mut network, 0.0, 0.0, 1);
    let mut penalty = penalty("spectral", &network);
    let found = added_gradient(penalty.as_mut(), &network);
    assert!(found.iter().flatten().all(|gradient| gradient.abs().max().double_value(&[]) == 0.0));
    let direction = Tensor::ones([network.layers()[0].count() as i64], (Kind::Double, tch::Device::Cpu));
    let product = penalty.curvature(&network.layers()[0]).unwrap().product(&direction);
    assert!(product.isfinite().all().int64_value(&[]) == 1);
    // It grows again, and the power iteration with it.
    change(&mut network, 1.0, 0.5, 2);
    let expected = exact_gradient(penalty.as_ref(), &network);
    (0..600).for_each(|_| drop(added_gradient(penalty.as_mut(), &network)));
    let last = error(&added_gradient(penalty.as_mut(), &network), &expected);
    assert!(last < 1e-9, "{last}");
}

/// The Hessian of a scalar over one layer's parameters, row by row.
fn hessian(loss: &Tensor, network: &Chain, layer: usize) -> Tensor {
    let parameters: Vec<&Tensor> = network.layers()[layer].parameters.iter().map(|parameter| &parameter.value).collect();
    let flat = |gradients: Vec<Tensor>| {
        let parts = gradients.iter().zip(&parameters);
        let dense = |(g, p): (&Tensor, &&Tensor)| if g.defined() { g.flatten(0, -1) } else { p.flatten(0, -1) * 0.0 };
        Tensor::cat(&parts.map(dense).collect::<Vec<_>>(), 0)
    };
    let slope = flat(Tensor::run_backward(&[loss], &parameters, true, true));
    let rows = (0..slope.size()[0]).map(|i| flat(Tensor::run_backward(&[slope.get(i)], &parameters, true, false)));
    Tensor::stack(&rows.collect::<Vec<_>>(), 0)
}

#[test]
fn the_hessian_equals_autograds_on_both_sides_of_one() {
    for (factor, inputs) in [(1.0, 6), (0.2, 6), (1.0, 30), (0.2, 30)] {
        let mut network = network(Box::new(Relu), inputs, Kind::Double);
        change(&mut network, factor, 0.02, 1);
        let penalty = penalty("spectral", &network);
        for (index, layer) in network.layers().iter().enumerate() {
            let loss = penalty.loss(&[layer]) + layer.bias().unwrap().sum(Kind::Double) * 0.0;
            let expected = hessian(&loss, &network, index);
            let curvature = penalty.curvature(layer).unwrap();
            let identity = Tensor::eye(layer.count() as i64, (Kind::Double, tch::Device::Cpu));
            let columns = (0..layer.count() as i64).map(|i| curvature.product(&identity.get(i)));
            let found = Tensor::stack(&columns.collect::<Vec<_>>(), 1);
            let scale = expected.abs().max().double_value(&[]);
            let off = (&found - &expected).abs().max().double_value(&[]);
            assert!(scale > 1e-3 && off < 1e-9 * scale, "{factor} {inputs} layer {index}: {off} of {scale}");
        }
    }
}

/// Whether a layer's block is reduced to fewer rows than it has parameters depends on the samples: both ways are taken,
/// with positive blocks and indefinite ones, and with another penalty beside.
#[test]
fn block_eigenvalues_equal_those_of_a_dense_hessian() {
    let mut negative = 0;
    for samples in [2, 3, 80] {
        for (activation, factor) in
            [(Box::new(Relu) as Box<dyn Activation>, 1.0), (Box::new(Crelu), 1.0), (Box::new(Relu), 0.2)]
        {
            let mut network = network(activation, 6, Kind::Double);
            change(&mut network, factor, 0.05, samples);
            let penalties = vec![penalty("l2_loss", &network), penalty("spectral", &network)];
            let mut generator = Generator::named("batch", samples);
            let images = generator.uniform(&[samples as i64, 6], 2.0, Kind::Double);
            let labels = generator.labels(samples as usize, 4);
            let mut loss = cross_entropy(logits(&traced(&network, &images)), &labels);
            for penalty in &penalties {
                loss += penalty.loss(&network.layers().iter().collect::<Vec<_>>());
            }
            let options = LanczosOptions { products: 400, tolerance: 1e-10 };
            let found = curvatures(&network, &images, &labels, &penalties, options, 1);
            for (layer, found) in found.iter().enumerate() {
                let values = hessian(&loss, &network, layer).linalg_eigvalsh("L");
                let (smallest, largest) = (values.double_value(&[0]), values.double_value(&[-1]));
                let near = |a: f64, b: f64| (a - b).abs() < 1e-7 * largest;
                assert!(found.converged, "{samples} {factor} layer {layer}: {found:?}");
                assert!(near(found.largest.value, largest), "{samples} {factor} layer {layer}: {found:?}, {largest}");
                assert!(
                    near(found.smallest.value, smallest),
                    "{samples} {factor} layer {layer}: {found:?}, {smallest}"
                );
                negative += usize::from(smallest < 0.0);
            }
        }
    }
    assert!(negative > 5, "indefinite blocks are among them");
}

#[test]
fn in_single_precision_and_at_the_default_tolerance_the_largest_eigenvalue_is_within_a_percent() {
    let values = |kind: Kind, options: LanczosOptions| {
        let mut network = network(Box::new(Relu), 200, kind);
        change(&mut network, 1.0, 0.02, 1);
        let penalties = vec![penalty("spectral", &network)];
        let mut generator = Generator::named("batch", 1);
        let images = generator.uniform(&[40, 200], 1.0, kind);
        let labels = generator.labels(40, 4);
        curvatures(&network, &images, &labels, &penalties, options, 2)
    };
    let quick = values(Kind::Float, LanczosOptions::default());
    let exact = values(Kind::Double, LanczosOptions { products: 400, tolerance: 1e-10 });
    for (quick, exact) in quick.iter().zip(exact) {
        let relative = (quick.largest.value - exact.largest.value).abs() / exact.largest.value;
        assert!(quick.converged && quick.products < 40 && relative < 0.01, "{quick:?} against {exact:?}");
    }
}
