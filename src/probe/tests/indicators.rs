//! Every indicator against a slow, obvious second computation in f64, on small networks. (The Fisher proxy for the rank is
//! recomputed in `measurements.rs`.)

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu};
use trainability_baselines::indicator::hessian_rank::fisher_rank;
use trainability_baselines::indicator::{LayerGradient, Observation, UpdateSummary, When};
use trainability_baselines::penalty::Penalty;
use trainability_baselines::registry::INDICATORS;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::lanczos::{LanczosOptions, SymmetricOperator};
use trainability_tensor::layer::tensors;
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{Generator, LayerTrace};

use super::observing::{bare, indicator, measure, output};
use crate::model::{self, Chain, Model, Shape, cross_entropy};
use crate::optimizer::{Adam, AdamOptions, Optimizer};
use crate::probe::hessian::Hessian;
use crate::probe::noise::squared_norm;
use crate::testing::networks::{chain, disturb, logits, numbers, penalty, traced};
use crate::testing::plain_indicators::{close, dense_spectral_rank, mean, mean_distance, weight_norm, weight_norm_l2};

struct Case {
    network: Chain,
    penalties: Vec<Box<dyn Penalty>>,
    images: Tensor,
    labels: Tensor,
}

/// A small f64 network away from its initial parameters, penalties, and a random batch.
fn case(activation: Box<dyn Activation>, hidden: &[i64], penalties: &[&str], seed: u64) -> Case {
    tch::set_num_threads(1);
    let shape = Shape { inputs: 6, convolutions: None, hidden: hidden.to_vec(), outputs: 4, kind: Kind::Double };
    let mut generator = Generator::named("test", seed);
    let mut network = chain(shape, activation, &mut generator);
    let penalties = penalties.iter().map(|name| penalty(name, 0.05, network.layers())).collect();
    disturb(network.layers_mut(), 0.3, &mut generator);
    let images = generator.uniform(&[9, 6], 2.0, Kind::Double);
    Case { network, penalties, images, labels: generator.labels(9, 4) }
}

fn cases() -> Vec<Case> {
    vec![
        case(Box::new(Relu), &[7, 5], &[], 1),
        case(Box::new(Crelu), &[5, 3], &["l2_loss", "wasserstein"], 2),
        case(Box::new(Relu), &[5], &["l2_loss"], 3),
    ]
}

impl Case {
    fn total_loss(&self) -> Tensor {
        let layers: Vec<_> = self.network.layers().iter().collect();
        let cross_entropy = cross_entropy(logits(&traced(&self.network, &self.images)), &self.labels);
        self.penalties.iter().fold(cross_entropy, |sum, penalty| sum + penalty.loss(&layers))
    }

    fn trace(&self) -> Vec<LayerTrace> {
        traced(&self.network, &self.images).iter().map(LayerTrace::detach).collect()
    }

    /// Central differences of a function of the case by each parameter in turn.
    fn differences(&mut self, function: impl Fn(&Case) -> Vec<f64>) -> Vec<Vec<f64>> {
        const STEP: f64 = 1e-6;
        let mut all = Vec::new();
        let views: Vec<Tensor> = tensors(self.network.layers()).map(|t| t.detach().view([-1])).collect();
        for view in views {
            for index in 0..view.size()[0] {
                let mut entry = view.get(index);
                entry += STEP;
                let above = function(self);
                entry -= 2.0 * STEP;
                let below = function(self);
                entry += STEP;
                all.push(above.iter().zip(below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect());
            }
        }
        all
    }

    /// The largest eigenvalue of the total loss's whole Hessian, from differences of gradients.
    fn sharpness(&mut self) -> f64 {
        let rows = self.differences(|case| {
            let gradients = model::gradients(case.network.layers(), &case.total_loss(), false);
            gradients.iter().flatten().flat_map(numbers).collect()
        });
        let size = rows.len() as i64;
        let matrix = Tensor::from_slice(&rows.concat()).view([size, size]);
        (&matrix + matrix.tr()).linalg_eigvalsh("L").double_value(&[-1]) / 2.0
    }
}

#[test]
fn each_is_read_at_the_moment_that_its_definition_says() {
    let moments = [
        ("hessian_rank", When::TaskStart),
        ("hessian_spectral_rank", When::TaskEnd),
        ("sharpness", When::TaskEnd),
        ("weight_norm", When::TaskEnd),
        ("weight_norm_l2", When::TaskEnd),
        ("gradient_norm", When::MeasuredUpdate),
        ("gradient_confidence", When::MeasuredUpdate),
        ("update_norm", When::MeasuredUpdate),
        ("update_to_weight", When::MeasuredUpdate),
        ("unit_sign_entropy", When::TaskEnd),
        ("dead_units", When::TaskEnd),
        ("effective_rank", When::TaskEnd),
        ("stable_rank", When::TaskEnd),
        ("dormant_units_0_01", When::TaskEnd),
        ("dormant_units_0_025", When::TaskEnd),
        ("dormant_units_0_1", When::TaskEnd),
        ("sample_plasticity", When::MeasuredUpdate),
        ("ntk_effective_rank", When::TaskEnd),
        ("ntk_condition_number", When::TaskEnd),
        ("weight_rank", When::TaskEnd),
        ("weight_smallest_singular_value", When::TaskEnd),
        ("weight_isometry_distance", When::TaskEnd),
        ("distance_from_initialisation", When::TaskEnd),
        ("feature_norm", When::TaskEnd),
        ("hessian_epsilon_rank", When::TaskStart),
    ];
    let found: Vec<_> = INDICATORS.iter().map(|indicator| (indicator.definition().name, indicator.when())).collect();
    assert_eq!(found, moments, "an indicator without a test, or at another moment");
}

#[test]
fn each_is_undefined_without_what_it_is_made_of() {
    let case = case(Box::new(Relu), &[5], &[], 1);
    let trace = case.trace();
    for name in [
        "hessian_rank",
        "hessian_spectral_rank",
        "sharpness",
        "gradient_norm",
        "gradient_confidence",
        "update_norm",
        "update_to_weight",
        "weight_norm",
        "weight_norm_l2",
        "sample_plasticity",
        "ntk_effective_rank",
        "ntk_condition_number",
        "weight_rank",
        "weight_smallest_singular_value",
        "weight_isometry_distance",
        "distance_from_initialisation",
        "hessian_epsilon_rank",
    ] {
        assert_eq!(measure(name, &bare(&trace)), None, "{name}");
    }
    for name in [
        "unit_sign_entropy",
        "dead_units",
        "effective_rank",
        "stable_rank",
        "dormant_units_0_01",
        "dormant_units_0_025",
        "dormant_units_0_1",
        "feature_norm",
    ] {
        assert!(measure(name, &bare(&trace)).is_some(), "{name}");
        // Logits are no hidden units.
        assert_eq!(measure(name, &bare(&trace[1..])), None, "{name}");
        assert_eq!(measure(name, &bare(&[])), None, "{name}");
    }
    // A network of zeros has moved, but not by a share of what it was.
    let update = UpdateSummary { mean_absolute_update: 0.5, mean_absolute_weight: 0.0 };
    let observation = Observation { update: Some(update), ..bare(&trace) };
    assert_eq!(measure("update_norm", &observation), Some(0.5));
    assert_eq!(measure("update_to_weight", &observation), None);
}

#[test]
fn sharpness_is_the_largest_eigenvalue_of_the_dense_hessian_of_the_total_loss() {
    let spectral = case(Box::new(Crelu), &[4], &["spectral", "l2_loss"], 4);
    for mut case in cases().into_iter().chain([spectral]) {
        let expected = case.sharpness();
        let hessian = Hessian::of(&case.network, .., &case.images, &case.labels, &case.penalties);
        let trace = case.trace();
        let observation = Observation { hessian: Some(&hessian), ..bare(&trace) };
        close("sharpness", measure("sharpness", &observation), expected, 1e-6);
    }
}

/// A diagonal matrix.
struct Diagonal(Tensor);

impl SymmetricOperator for Diagonal {
    fn size(&self) -> i64 {
        self.0.size()[0]
    }

    fn options(&self) -> (Kind, Device) {
        (self.0.kind(), self.0.device())
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        &self.0 * vector
    }
}

#[test]
fn sharpness_is_not_the_largest_absolute_eigenvalue_and_undefined_where_lanczos_fails() {
    let of = |diagonal: &[f64], products: usize| {
        let hessian = Diagonal(Tensor::from_slice(diagonal));
        let lanczos = LanczosOptions { products, tolerance: 1e-12 };
        measure("sharpness", &Observation { hessian: Some(&hessian), lanczos, ..bare(&[]) })
    };
    close("sharpness", of(&[1.0, -50.0, 2.0, 0.5], 40), 2.0, 1e-12);
    close("sharpness", of(&[-3.0, -50.0, -7.0], 40), -3.0, 1e-12);
    assert_eq!(of(&[1.0, -50.0, 2.0, 0.5], 2), None);
    assert_eq!(of(&[1.0, f64::NAN, 2.0], 40), None);
}

#[test]
fn weight_norms_are_the_mean_and_the_root_of_squares_over_all_parameters_with_biases() {
    for case in cases() {
        let observation = Observation { layers: case.network.layers(), ..bare(&[]) };
        close("weight_norm", measure("weight_norm", &observation), weight_norm(&case.network), 1e-13);
        close("weight_norm_l2", measure("weight_norm_l2", &observation), weight_norm_l2(&case.network), 1e-13);
    }
}

#[test]
fn gradient_norm_is_of_the_total_loss_by_differences() {
    for mut case in cases() {
        let slopes = case.differences(|case| vec![case.total_loss().double_value(&[])]).concat();
        let expected = slopes.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
        // As a run forms it.
        let loss = cross_entropy(logits(&traced(&case.network, &case.images)), &case.labels);
        let mut gradients = model::gradients(case.network.layers(), &loss, false);
        for penalty in &mut case.penalties {
            penalty.add_gradient(case.network.layers(), &mut gradients);
        }
        let of = |layer: &Vec<Tensor>| LayerGradient { sq_norm: squared_norm(layer), noise_variance: None };
        let gradients: Vec<LayerGradient> = gradients.iter().map(of).collect();
        let observation = Observation { gradients: Some(&gradients), ..bare(&[]) };
        close("gradient_norm", measure("gradient_norm", &observation), expected, 1e-6);
    }
}

#[test]
fn gradient_confidence_is_the_norm_times_its_reliability_over_all_layers() {
    let trace = [output(Tensor::ones([4, 5], (Kind::Double, Device::Cpu)))];
    let of = |layers: &[(f64, Option<f64>)]| {
        let gradients: Vec<LayerGradient> =
            layers.iter().map(|&(sq_norm, noise_variance)| LayerGradient { sq_norm, noise_variance }).collect();
        measure("gradient_confidence", &Observation { gradients: Some(&gradients), ..bare(&trace) })
    };
    // Four samples: |g|^2 = 9, sigma2 / B = 12 / 4 = 3.
    close("gradient_confidence", of(&[(4.0, Some(2.0)), (5.0, Some(10.0))]), 3.0 * 9.0 / 12.0, 1e-15);
    assert_eq!(of(&[(0.25, Some(0.0))]), Some(0.5), "without noise the norm itself");
    assert_eq!(of(&[(0.0, Some(3.0))]), Some(0.0));
    assert_eq!(of(&[(0.0, Some(0.0))]), Some(0.0));
    assert_eq!(of(&[(4.0, Some(2.0)), (5.0, None)]), None, "one sample has no variance");
}

#[test]
fn single_layers_make_up_the_whole() {
    for case in cases() {
        let trace = case.trace();
        let loss_trace = traced(&case.network, &case.images);
        let deltas =
            model::deltas(&loss_trace, &cross_entropy(logits(&loss_trace), &case.labels), case.labels.size()[0]);
        let count = trace.len();
        let gradients: Vec<LayerGradient> =
            (0..count).map(|index| LayerGradient { sq_norm: 1.0 + index as f64, noise_variance: Some(0.5) }).collect();
        let observation = Observation {
            layers: case.network.layers(),
            deltas: Some(&deltas),
            gradients: Some(&gradients),
            ..bare(&trace)
        };
        let layer = |name: &str, index: usize| {
            indicator(name).layerwise().expect("it makes sense for layers").measure_layer(&observation, index)
        };
        for name in ["unit_sign_entropy", "dead_units", "effective_rank", "stable_rank"] {
            let hidden: Vec<f64> = (0..count - 1).map(|index| layer(name, index).unwrap()).collect();
            close(name, measure(name, &observation), mean(&hidden), 1e-14);
            assert_eq!(layer(name, count - 1), None, "{name} of logits");
        }
        let total = |name: &str| (0..count).map(|index| layer(name, index).unwrap().powi(2)).sum::<f64>().sqrt();
        for name in ["weight_norm_l2", "gradient_norm"] {
            close(name, measure(name, &observation), total(name), 1e-14);
        }
        let sizes: Vec<f64> = case.network.layers().iter().map(|layer| layer.count() as f64).collect();
        let sum: f64 = (0..count).map(|index| layer("weight_norm", index).unwrap() * sizes[index]).sum();
        close("weight_norm", measure("weight_norm", &observation), sum / sizes.iter().sum::<f64>(), 1e-14);
        for index in 0..count {
            let alone = fisher_rank(&trace[index..=index], &deltas[index..=index]);
            assert_eq!(layer("hessian_rank", index), alone);
            let (square, noise) = (1.0 + index as f64, 0.5 / 9.0);
            let expected = square.powf(1.5) / (square + noise);
            close("gradient_confidence", layer("gradient_confidence", index), expected, 1e-14);
        }
        assert!(["hessian_rank", "gradient_norm"].iter().all(|name| layer(name, count).is_none()), "no such layer");
    }
}

#[test]
fn the_spectral_rank_counts_the_eigenvalues_of_the_dense_hessian() {
    for case in cases() {
        let hessian = Hessian::of(&case.network, .., &case.images, &case.labels, &case.penalties);
        let expected = dense_spectral_rank(&hessian);
        assert!(expected > 0.05 && expected <= 1.0, "{expected}");
        let trace = case.trace();
        let observation = Observation {
            hessian: Some(&hessian),
            spectrum: SpectrumOptions { starts: 40, products: 400 },
            ..bare(&trace)
        };
        // A count of at least 20 from 40 starts: an error of 5 % at the most, three of which are allowed.
        close("hessian_spectral_rank", measure("hessian_spectral_rank", &observation), expected, 0.16);
    }
}

#[test]
fn the_size_of_an_update_is_that_of_the_parameters_change() {
    for (mut case, decay) in cases().into_iter().zip([
        WeightDecay::None,
        WeightDecay::Coupled(0.1),
        // Of the size of the step, so that leaving it out would show.
        WeightDecay::Decoupled(5.0),
    ]) {
        let mut adam = Adam::new(AdamOptions::default(), decay, case.network.layers());
        let rates: Vec<f64> = (0..case.network.layers().len()).map(|layer| 0.01 * (layer + 1) as f64).collect();
        for _ in 0..4 {
            let gradients = model::gradients(case.network.layers(), &case.total_loss(), false);
            let before: Vec<f64> = tensors(case.network.layers()).flat_map(numbers).collect();
            let update = adam.step(case.network.layers_mut(), &gradients, &rates, true);
            let after: Vec<f64> = tensors(case.network.layers()).flat_map(numbers).collect();
            let (change, size) = (mean_distance(&after, &before), mean_distance(&before, &vec![0.0; before.len()]));
            let observation = Observation { update, ..bare(&[]) };
            close("update_norm", measure("update_norm", &observation), change, 1e-12);
            close("update_to_weight", measure("update_to_weight", &observation), change / size, 1e-12);
        }
        let gradients = model::gradients(case.network.layers(), &case.total_loss(), false);
        assert_eq!(adam.step(case.network.layers_mut(), &gradients, &rates, false), None);
    }
}
