//! Every indicator against a slow, obvious second computation in f64, values of numpy's, and the moments at which a run
//! reads them. (The Fisher proxy for the rank is recomputed in `measurements.rs`.)

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tch::{Kind, Tensor};
use trainability::config::{Experiment, ImageFacts, Plan};
use trainability::data::ImageSet;
use trainability::network::{Network, Shape, cross_entropy, logits};
use trainability::optimizer::{Adam, AdamOptions};
use trainability::probe::hessian::Hessian;
use trainability::probe::noise::squared_norm;
use trainability::random::Generator;
use trainability::train::Run;
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu};
use trainability_baselines::indicator::{
    INDICATORS, Indicator, LayerGradient, Observation, Shared, UpdateSummary, When, fisher_rank,
};
use trainability_baselines::lanczos::{LanczosOptions, SymmetricOperator};
use trainability_baselines::layers::tensors;
use trainability_baselines::method::{Contribution, Part, WeightDecay};
use trainability_baselines::penalty::Penalty;
use trainability_baselines::spectrum::SpectrumOptions;
use trainability_baselines::{LayerTrace, State, Stateful};

#[path = "common/tiny.rs"]
#[allow(dead_code)]
mod tiny;

fn indicator(name: &str) -> &'static dyn Indicator {
    *INDICATORS.iter().find(|indicator| indicator.definition().name == name).unwrap()
}

fn measure(name: &str, observation: &Observation) -> Option<f64> {
    indicator(name).measure(observation, &mut ChaCha8Rng::seed_from_u64(1))
}

/// Lanczos to the last digit.
fn exact() -> LanczosOptions {
    LanczosOptions { products: 400, tolerance: 1e-12 }
}

/// Of activations alone: everything that can be missing is.
fn bare<'a>(activation: &'a dyn Activation, trace: &'a [LayerTrace]) -> Observation<'a> {
    Observation {
        layers: &[],
        activation,
        trace,
        deltas: None,
        gradients: None,
        update: None,
        hessian: None,
        lanczos: exact(),
        spectrum: SpectrumOptions { starts: 1, products: 400 },
        shared: Shared::default(),
    }
}

/// `tolerance` is relative; an expected zero has to be met.
#[track_caller]
fn close(what: &str, found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.unwrap_or_else(|| panic!("{what} is undefined, expected {expected}"));
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what} is {found}, expected {expected}");
}

struct Case {
    network: Network,
    penalties: Vec<Box<dyn Penalty>>,
    images: Tensor,
    labels: Tensor,
}

/// A small f64 network away from its initial parameters, penalties, and a random batch.
fn case(activation: Box<dyn Activation>, hidden: &[i64], penalties: &[&str], seed: u64) -> Case {
    tch::set_num_threads(1);
    let shape = Shape { inputs: 6, convolutions: None, hidden: hidden.to_vec(), outputs: 4, kind: Kind::Double };
    let mut generator = Generator::named("test", seed);
    let mut network = Network::new(shape, activation, &mut generator);
    let penalties = penalties.iter().map(|name| penalty(name, 0.05, &network)).collect();
    for parameter in network.layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), 0.3, Kind::Double);
        tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
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

fn penalty(name: &str, coefficient: f64, network: &Network) -> Box<dyn Penalty> {
    let (contribution, _) = Part::named(name).unwrap().build(json!({ "coefficient": coefficient })).unwrap();
    let Contribution::Penalty(mut penalty) = contribution else { panic!("{name} is no penalty") };
    penalty.begin(&network.layers);
    penalty
}

impl Case {
    fn total_loss(&self) -> Tensor {
        let layers: Vec<_> = self.network.layers.iter().collect();
        let cross_entropy = cross_entropy(logits(&self.network.forward(&self.images)), &self.labels);
        self.penalties.iter().fold(cross_entropy, |sum, penalty| sum + penalty.loss(&layers))
    }

    fn trace(&self) -> Vec<LayerTrace> {
        self.network.forward(&self.images).iter().map(LayerTrace::detach).collect()
    }

    /// Central differences of a function of the case by each parameter in turn.
    fn differences(&mut self, function: impl Fn(&Case) -> Vec<f64>) -> Vec<Vec<f64>> {
        const STEP: f64 = 1e-6;
        let mut all = Vec::new();
        let views: Vec<Tensor> = tensors(&self.network.layers).map(|t| t.detach().view([-1])).collect();
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
            let gradients = case.network.gradients(&case.total_loss(), false);
            gradients.iter().flatten().flat_map(numbers).collect()
        });
        let size = rows.len() as i64;
        let matrix = Tensor::from_slice(&rows.concat()).view([size, size]);
        (&matrix + matrix.tr()).linalg_eigvalsh("L").double_value(&[-1]) / 2.0
    }
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// The numbers of a matrix, column by column.
fn columns(matrix: &Tensor) -> Vec<Vec<f64>> {
    let width = matrix.size()[1] as usize;
    let all = numbers(matrix);
    (0..width).map(|column| all.iter().skip(column).step_by(width).copied().collect()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The activations of a hidden layer, feature by feature.
fn features(pre_activation: &Tensor, crelu: bool) -> Vec<Vec<f64>> {
    let half = |sign: f64| {
        let part = |unit: Vec<f64>| unit.into_iter().map(|z| (sign * z).max(0.0)).collect::<Vec<f64>>();
        columns(pre_activation).into_iter().map(part).collect::<Vec<_>>()
    };
    if crelu { [half(1.0), half(-1.0)].concat() } else { half(1.0) }
}

/// A value of each hidden layer's pre-activations, mean over hidden layers.
fn over_hidden(trace: &[LayerTrace], value: impl Fn(&Tensor) -> f64) -> f64 {
    mean(&trace[..trace.len() - 1].iter().map(|layer| value(&layer.pre_activation)).collect::<Vec<_>>())
}

fn unit_sign_entropy(trace: &[LayerTrace]) -> f64 {
    let unit = |sums: Vec<f64>| {
        let on = sums.iter().filter(|z| **z > 0.0).count() as f64 / sums.len() as f64;
        [on, 1.0 - on].into_iter().filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum()
    };
    over_hidden(trace, |sums| mean(&columns(sums).into_iter().map(unit).collect::<Vec<f64>>()))
}

fn dead_units(trace: &[LayerTrace], crelu: bool) -> f64 {
    over_hidden(trace, |sums| {
        let features = features(sums, crelu);
        features.iter().filter(|feature| feature.iter().all(|&h| h <= 0.0)).count() as f64 / features.len() as f64
    })
}

/// `None` if a layer has no activation at all.
fn effective_rank(trace: &[LayerTrace], crelu: bool) -> Option<f64> {
    let ranks = trace[..trace.len() - 1].iter().map(|layer| {
        let values = singular_values(features(&layer.pre_activation, crelu));
        let total: f64 = values.iter().sum();
        let shares = values.iter().map(|value| value / total).filter(|share| *share > 1e-14);
        (total > 0.0).then(|| shares.map(|share| -share * share.ln()).sum::<f64>().exp())
    });
    Some(mean(&ranks.collect::<Option<Vec<f64>>>()?))
}

/// The smallest number of singular values that reach 99 % of their sum, mean over hidden layers.
fn stable_rank(trace: &[LayerTrace], crelu: bool) -> Option<f64> {
    let ranks = trace[..trace.len() - 1].iter().map(|layer| {
        let mut values = singular_values(features(&layer.pre_activation, crelu));
        values.sort_by(|a, b| b.total_cmp(a));
        let total: f64 = values.iter().sum();
        let reaches = |count: &usize| values[..*count].iter().sum::<f64>() >= 0.99 * total;
        (total > 0.0).then(|| (1..=values.len()).find(reaches).unwrap() as f64)
    });
    Some(mean(&ranks.collect::<Option<Vec<f64>>>()?))
}

/// Singular values by rotating pairs of columns until all are orthogonal (one-sided Jacobi).
fn singular_values(mut columns: Vec<Vec<f64>>) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..30 {
        for p in 0..columns.len() {
            for q in p + 1..columns.len() {
                let (first, second) = columns.split_at_mut(q);
                let (a, b) = (&mut first[p], &mut second[0]);
                let product = dot(a, b);
                if product == 0.0 {
                    continue;
                }
                let zeta = (dot(b, b) - dot(a, a)) / (2.0 * product);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for (x, y) in a.iter_mut().zip(b) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    columns.iter().map(|column| dot(column, column).sqrt()).collect()
}

fn weight_norm(network: &Network) -> f64 {
    mean(&tensors(&network.layers).flat_map(numbers).map(f64::abs).collect::<Vec<_>>())
}

fn weight_norm_l2(network: &Network) -> f64 {
    tensors(&network.layers).flat_map(numbers).map(|theta| theta * theta).sum::<f64>().sqrt()
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
    ] {
        assert_eq!(measure(name, &bare(&Relu, &trace)), None, "{name}");
    }
    for name in ["unit_sign_entropy", "dead_units", "effective_rank", "stable_rank"] {
        assert!(measure(name, &bare(&Relu, &trace)).is_some(), "{name}");
        // Logits are no hidden units.
        assert_eq!(measure(name, &bare(&Relu, &trace[1..])), None, "{name}");
        assert_eq!(measure(name, &bare(&Relu, &[])), None, "{name}");
    }
    // A network of zeros has moved, but not by a share of what it was.
    let update = UpdateSummary { mean_absolute_update: 0.5, mean_absolute_weight: 0.0 };
    let observation = Observation { update: Some(update), ..bare(&Relu, &trace) };
    assert_eq!(measure("update_norm", &observation), Some(0.5));
    assert_eq!(measure("update_to_weight", &observation), None);
}

#[test]
fn sharpness_is_the_largest_eigenvalue_of_the_dense_hessian_of_the_total_loss() {
    let spectral = case(Box::new(Crelu), &[4], &["spectral", "l2_loss"], 4);
    for mut case in cases().into_iter().chain([spectral]) {
        let expected = case.sharpness();
        let hessian = Hessian::of_network(&case.network, &case.images, &case.labels, &case.penalties);
        let trace = case.trace();
        let observation = Observation { hessian: Some(&hessian), ..bare(case.network.activation(), &trace) };
        close("sharpness", measure("sharpness", &observation), expected, 1e-6);
    }
}

/// A diagonal matrix.
struct Diagonal(Tensor);

impl SymmetricOperator for Diagonal {
    fn size(&self) -> i64 {
        self.0.size()[0]
    }

    fn kind(&self) -> Kind {
        self.0.kind()
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
        measure("sharpness", &Observation { hessian: Some(&hessian), lanczos, ..bare(&Relu, &[]) })
    };
    close("sharpness", of(&[1.0, -50.0, 2.0, 0.5], 40), 2.0, 1e-12);
    close("sharpness", of(&[-3.0, -50.0, -7.0], 40), -3.0, 1e-12);
    assert_eq!(of(&[1.0, -50.0, 2.0, 0.5], 2), None);
    assert_eq!(of(&[1.0, f64::NAN, 2.0], 40), None);
}

#[test]
fn weight_norms_are_the_mean_and_the_root_of_squares_over_all_parameters_with_biases() {
    for case in cases() {
        let observation = Observation { layers: &case.network.layers, ..bare(&Relu, &[]) };
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
        let loss = cross_entropy(logits(&case.network.forward(&case.images)), &case.labels);
        let mut gradients = case.network.gradients(&loss, false);
        for penalty in &mut case.penalties {
            penalty.add_gradient(&case.network.layers, &mut gradients);
        }
        let of = |layer: &Vec<Tensor>| LayerGradient { sq_norm: squared_norm(layer), noise_variance: None };
        let gradients: Vec<LayerGradient> = gradients.iter().map(of).collect();
        let observation = Observation { gradients: Some(&gradients), ..bare(&Relu, &[]) };
        close("gradient_norm", measure("gradient_norm", &observation), expected, 1e-6);
    }
}

#[test]
fn gradient_confidence_is_the_norm_times_its_reliability_over_all_layers() {
    let [first, _, _] = hand_made(Kind::Double);
    let of = |layers: &[(f64, Option<f64>)]| {
        let gradients: Vec<LayerGradient> =
            layers.iter().map(|&(sq_norm, noise_variance)| LayerGradient { sq_norm, noise_variance }).collect();
        let trace = std::slice::from_ref(&first);
        measure("gradient_confidence", &Observation { gradients: Some(&gradients), ..bare(&Relu, trace) })
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
        let loss_trace = case.network.forward(&case.images);
        let deltas = Network::deltas(&loss_trace, &cross_entropy(logits(&loss_trace), &case.labels));
        let count = trace.len();
        let gradients: Vec<LayerGradient> =
            (0..count).map(|index| LayerGradient { sq_norm: 1.0 + index as f64, noise_variance: Some(0.5) }).collect();
        let observation = Observation {
            layers: &case.network.layers,
            deltas: Some(&deltas),
            gradients: Some(&gradients),
            ..bare(case.network.activation(), &trace)
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
        let sizes: Vec<f64> = case.network.layers.iter().map(|layer| layer.count() as f64).collect();
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

/// Share of the dense Hessian's eigenvalues with a magnitude above 1 % of the largest.
fn dense_spectral_rank(operator: &dyn SymmetricOperator) -> f64 {
    let magnitudes: Vec<f64> = numbers(&dense(operator).linalg_eigvalsh("L")).into_iter().map(f64::abs).collect();
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    magnitudes.iter().filter(|value| **value > 0.01 * largest).count() as f64 / magnitudes.len() as f64
}

fn dense(operator: &dyn SymmetricOperator) -> Tensor {
    let identity = Tensor::eye(operator.size(), (Kind::Double, tch::Device::Cpu));
    Tensor::stack(&(0..operator.size()).map(|i| operator.apply(&identity.get(i))).collect::<Vec<_>>(), 1)
}

#[test]
fn the_spectral_rank_counts_the_eigenvalues_of_the_dense_hessian() {
    for case in cases() {
        let hessian = Hessian::of_network(&case.network, &case.images, &case.labels, &case.penalties);
        let expected = dense_spectral_rank(&hessian);
        assert!(expected > 0.05 && expected <= 1.0, "{expected}");
        let trace = case.trace();
        let observation = Observation {
            hessian: Some(&hessian),
            spectrum: SpectrumOptions { starts: 40, products: 400 },
            ..bare(case.network.activation(), &trace)
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
        let mut adam = Adam::new(AdamOptions::default(), decay, &case.network.layers);
        let rates: Vec<f64> = (0..case.network.layers.len()).map(|layer| 0.01 * (layer + 1) as f64).collect();
        for _ in 0..4 {
            let gradients = case.network.gradients(&case.total_loss(), false);
            let before: Vec<f64> = tensors(&case.network.layers).flat_map(numbers).collect();
            let update = adam.step(&mut case.network.layers, &gradients, &rates, true);
            let after: Vec<f64> = tensors(&case.network.layers).flat_map(numbers).collect();
            let (change, size) = (mean_distance(&after, &before), mean_distance(&before, &vec![0.0; before.len()]));
            let observation = Observation { update, ..bare(&Relu, &[]) };
            close("update_norm", measure("update_norm", &observation), change, 1e-12);
            close("update_to_weight", measure("update_to_weight", &observation), change / size, 1e-12);
        }
        let gradients = case.network.gradients(&case.total_loss(), false);
        assert_eq!(adam.step(&mut case.network.layers, &gradients, &rates, false), None);
    }
}

fn mean_distance(a: &[f64], b: &[f64]) -> f64 {
    mean(&a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>())
}

#[test]
fn measures_of_hidden_activations_equal_loops_over_units_and_samples() {
    // Networks with some units that never switch, in single precision and double.
    for seed in 0..10 {
        for (crelu, activation) in [(false, &Relu as &dyn Activation), (true, &Crelu)] {
            for kind in [Kind::Float, Kind::Double] {
                let mut generator = Generator::named("activations", seed);
                let mut layer = |units: i64, kind: Kind| {
                    let level = generator.uniform(&[1, units], 3.0, kind);
                    let pre_activation = generator.uniform(&[9, units], 2.0, kind) + level;
                    LayerTrace {
                        input: Tensor::zeros([9, 1], (kind, tch::Device::Cpu)),
                        pre_activation,
                        normalised: None,
                    }
                };
                let trace = [layer(12, kind), layer(5, kind), layer(1, kind), layer(4, kind)];
                let observation = bare(activation, &trace);
                let tolerance = if kind == Kind::Double { 1e-12 } else { 1e-7 };
                let found = |name: &str| measure(name, &observation);
                close("unit_sign_entropy", found("unit_sign_entropy"), unit_sign_entropy(&trace), 1e-14);
                close("dead_units", found("dead_units"), dead_units(&trace, crelu), 1e-14);
                match effective_rank(&trace, crelu) {
                    Some(expected) => close("effective_rank", found("effective_rank"), expected, tolerance),
                    None => assert_eq!(found("effective_rank"), None),
                }
                assert_eq!(found("stable_rank"), stable_rank(&trace, crelu));
            }
        }
    }
}

/// Two hidden layers of four samples, in two element types, and logits that must not matter.
fn hand_made(kind: Kind) -> [LayerTrace; 3] {
    let layer = |units: i64, values: &[f64]| {
        let pre_activation = Tensor::from_slice(values).view([4, units]).to_kind(kind);
        LayerTrace { input: Tensor::ones([4, 1], (kind, tch::Device::Cpu)), pre_activation, normalised: None }
    };
    #[rustfmt::skip]
    let first = [
        1.5, -0.2, 0.7,  0.0, -3.0,
        0.1,  0.4, 0.9, -0.3, -1.0,
        2.0, -0.6, 0.3,  1.0, -0.5,
        0.8, -1.1, 0.2, -2.0, -0.1,
    ];
    let second = [0.3, -1.0, -0.4, -2.0, 0.6, -0.5, -0.1, -0.7];
    let last = [1.0, -1.0, 5.0, 0.1, 0.2, -0.3, 0.0, 0.0, 0.0, -9.0, 9.0, 1.0];
    [layer(5, &first), layer(2, &second), layer(3, &last)]
}

// The values of numpy 2.4.6 for the same matrices:
//
// z = np.array([[1.5, -0.2, 0.7, 0.0, -3.0], [0.1, 0.4, 0.9, -0.3, -1.0],
//               [2.0, -0.6, 0.3, 1.0, -0.5], [0.8, -1.1, 0.2, -2.0, -0.1]])
// y = np.array([[0.3, -1.0], [-0.4, -2.0], [0.6, -0.5], [-0.1, -0.7]])
// relu, crelu = lambda z: np.maximum(z, 0), lambda z: np.hstack([np.maximum(z, 0), np.maximum(-z, 0)])
// p = lambda z: np.clip((z > 0).mean(0), 1e-300, 1 - 1e-16)
// entropy = lambda p: np.mean(-p * np.log(p) - (1 - p) * np.log1p(-p))
// def rank(h):
//     s = np.linalg.svd(h, compute_uv=False)
//     s = s[s > 1e-12] / s.sum()
//     return np.exp(-np.sum(s * np.log(s)))
// print("entropy", entropy(p(z)), entropy(p(y)))    # 0.22493405784752502 0.34657359027997264
// print("relu", rank(relu(z)), rank(relu(y)))       # 2.5857029592576595 1.0
// print("crelu", rank(crelu(z)), rank(crelu(y)))    # 3.4417089626390167 1.925380618929303
#[test]
fn golden_values_of_hand_made_activations() {
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-6)] {
        let trace = hand_made(kind);
        for activation in [&Relu as &dyn Activation, &Crelu] {
            let entropy = measure("unit_sign_entropy", &bare(activation, &trace));
            close("unit_sign_entropy", entropy, (0.22493405784752502 + 0.34657359027997264) / 2.0, 1e-12);
        }
        let rank = |activation: &dyn Activation| measure("effective_rank", &bare(activation, &trace));
        close("effective_rank", rank(&Relu), (2.5857029592576595 + 1.0) / 2.0, tolerance);
        close("effective_rank", rank(&Crelu), (3.4417089626390167 + 1.925380618929303) / 2.0, tolerance);
        // Never positive: the fifth unit of the first layer and the second of the second; never negative: the first and
        // the third of the first.
        let dead = |activation: &dyn Activation| measure("dead_units", &bare(activation, &trace));
        close("dead_units", dead(&Relu), (1.0 / 5.0 + 1.0 / 2.0) / 2.0, 1e-15);
        close("dead_units", dead(&Crelu), (3.0 / 10.0 + 1.0 / 4.0) / 2.0, 1e-15);
    }
}

#[test]
fn the_ends_of_what_activations_can_be() {
    let of = |name: &str, pre_activation: Tensor| {
        let input = Tensor::ones([pre_activation.size()[0], 1], (Kind::Double, tch::Device::Cpu));
        let logits = LayerTrace { input: input.copy(), pre_activation: input.copy(), normalised: None };
        measure(name, &bare(&Relu, &[LayerTrace { input, pre_activation, normalised: None }, logits]))
    };
    let full = |value: f64| Tensor::full([6, 3], value, (Kind::Double, tch::Device::Cpu));
    // A unit that is always on, or always off, tells nothing; one that is on for half of the samples a factor of two.
    assert_eq!(of("unit_sign_entropy", full(1.0)), Some(0.0));
    assert_eq!(of("unit_sign_entropy", full(-1.0)), Some(0.0));
    let half = Tensor::from_slice(&[1.0, -1.0, 2.0, -3.0]).view([4, 1]);
    close("unit_sign_entropy", of("unit_sign_entropy", half), 2.0_f64.ln(), 1e-15);
    // Zero is not on, and not alive.
    assert_eq!(of("unit_sign_entropy", full(0.0)), Some(0.0));
    assert_eq!((of("dead_units", full(0.0)), of("dead_units", full(1e-30))), (Some(1.0), Some(0.0)));
    // One direction, all directions alike, none.
    close("effective_rank", of("effective_rank", full(2.5)), 1.0, 1e-12);
    let identity = Tensor::eye(7, (Kind::Double, tch::Device::Cpu)) * 0.01;
    close("effective_rank", of("effective_rank", identity), 7.0, 1e-12);
    assert_eq!(of("effective_rank", full(-1.0)), None);
    assert_eq!(of("stable_rank", full(2.5)), Some(1.0));
    assert_eq!(of("stable_rank", full(-1.0)), None);
    // 99 % is enough, and 98 is not.
    let diagonal = |values: &[f64]| Tensor::from_slice(values).diag(0);
    assert_eq!(of("stable_rank", diagonal(&[0.5, 99.0, 0.25])), Some(1.0));
    assert_eq!(of("stable_rank", diagonal(&[1.0, 98.0, 1.0])), Some(2.0));
    assert_eq!(of("stable_rank", Tensor::eye(7, (Kind::Double, tch::Device::Cpu)) * 0.01), Some(7.0));
    assert_eq!(of("effective_rank", full(f64::INFINITY)), None);
}

#[test]
fn a_layer_without_activations_leaves_the_effective_rank_undefined() {
    let [first, second, last] = hand_made(Kind::Double);
    let dead = LayerTrace { input: second.input, pre_activation: -second.pre_activation.abs(), normalised: None };
    assert_eq!(measure("effective_rank", &bare(&Relu, &[first, dead, last])), None);
}

/// One task of a run as a run's saved states show it from outside.
struct Seen {
    row: Vec<(&'static str, String)>,
    labels: Tensor,
    start: Network,
    end: Network,
    /// Of each measured update.
    gradient_norms: Vec<f64>,
    confidences: Vec<f64>,
    changes: Vec<f64>,
    sizes: Vec<f64>,
}

const PIXELS: usize = 16;
const COUNT: usize = 48;

fn images() -> ImageSet {
    tiny::images(COUNT, [1, 4, 4], 0)
}

/// The images in the order in which a run of seed 0 holds them, normalised.
fn inputs() -> Tensor {
    let order: Vec<i64> = Vec::try_from(Generator::named("images", 0).permutation(COUNT)).unwrap();
    let pixels: Vec<f64> = images().images.into_iter().map(f64::from).collect();
    let deviation = mean(&pixels.iter().map(|pixel| (pixel - mean(&pixels)).powi(2)).collect::<Vec<_>>()).sqrt();
    let normalised: Vec<f64> = pixels.iter().map(|pixel| (pixel - mean(&pixels)) / deviation).collect();
    let rows = order.iter().flat_map(|&image| normalised.chunks(PIXELS).nth(image as usize).unwrap());
    Tensor::from_slice(&rows.copied().collect::<Vec<f64>>()).view([COUNT as i64, PIXELS as i64])
}

fn network_of(state: &State) -> Network {
    let shape =
        Shape { inputs: PIXELS as i64, convolutions: None, hidden: vec![12, 8], outputs: 10, kind: Kind::Double };
    let mut network = Network::new(shape, Box::new(Relu), &mut Generator::named("test", 0));
    state.restore_part("network", &mut network).unwrap();
    network
}

/// A run of `l2_loss` in double precision with all images in the probe batch.
fn watched_run() -> Vec<Seen> {
    tch::set_num_threads(1);
    let experiment = json!({
        "stream": { "tasks": 3, "epochs": 5 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 20, "learning_rate": 0.02, "precision": "f64" },
        "measure": {
            "interval": 2, "window": 3, "probe_images": COUNT, "lanczos": { "products": 400, "tolerance": 1e-12 },
            "spectrum": { "starts": 10, "products": 100 }
        },
        "methods": [{ "parts": ["l2_loss"] }],
        "schedules": ["constant"],
        "seeds": 1
    });
    let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
    let plan = Plan::new(experiment, &ImageFacts::bare(COUNT, "none")).unwrap();
    let mut run = Run::new(&plan.runs[0], &images());
    let state = |run: &Run| {
        let mut state = State::default();
        run.save(&mut state);
        state
    };
    let parameters = |network: &Network| -> Vec<f64> { tensors(&network.layers).flat_map(numbers).collect() };
    let mut tasks = Vec::new();
    while !run.is_over() {
        let start = network_of(&state(&run));
        let (mut gradient_norms, mut confidences) = (Vec::new(), Vec::new());
        let (mut changes, mut sizes) = (Vec::new(), Vec::new());
        let row = loop {
            let before = parameters(&network_of(&state(&run)));
            let advance = run.advance().unwrap();
            if !advance.controls.is_empty() {
                let after = parameters(&network_of(&state(&run)));
                let layers = advance.controls.iter().map(|layer| layer.gradient_sq_norm.unwrap());
                let square = layers.sum::<f64>();
                gradient_norms.push(square.sqrt());
                // 48 images in minibatches of 20, the epoch's last being of 8.
                let batch = if (run.updates() - 1) % 3 == 2 { 8.0 } else { 20.0 };
                let noise: f64 = advance.controls.iter().map(|layer| layer.noise_variance.unwrap()).sum();
                confidences.push(square.sqrt() * square / (square + noise / batch));
                changes.push(mean_distance(&after, &before));
                sizes.push(mean_distance(&before, &vec![0.0; before.len()]));
            }
            if let Some(row) = advance.task {
                break row;
            }
        };
        let (labels, end) = (state(&run).tensor("stream/task/labels").unwrap(), network_of(&state(&run)));
        tasks.push(Seen { row, labels, start, end, gradient_norms, confidences, changes, sizes });
    }
    tasks
}

fn fisher(network: &Network, labels: &Tensor) -> f64 {
    let trace = network.forward(&inputs());
    let deltas = Network::deltas(&trace, &cross_entropy(logits(&trace), labels));
    fisher_rank(&trace, &deltas).unwrap()
}

#[test]
fn a_run_reads_each_indicator_at_its_moment() {
    let tasks = watched_run();
    assert_eq!(tasks.len(), 3);
    let mut told_apart = [false; 2];
    for (index, seen) in tasks.iter().enumerate() {
        let value = |name: &str| -> Option<f64> {
            let (_, field) = seen.row.iter().find(|(column, _)| *column == name).unwrap();
            Some(field.parse().unwrap_or_else(|_| panic!("{name} is {field:?}")))
        };
        // At the start, after relabelling and before the first update.
        let at_start = fisher(&seen.start, &seen.labels);
        close("hessian_rank", value("hessian_rank"), at_start, 1e-12);
        told_apart[0] |= at_start != fisher(&seen.end, &seen.labels);
        told_apart[1] |= index > 0 && at_start != fisher(&seen.start, &tasks[index - 1].labels);
        // Mean over the measured updates.
        assert!((6..=8).contains(&seen.changes.len()));
        close("gradient_norm", value("gradient_norm"), mean(&seen.gradient_norms), 1e-10);
        close("gradient_confidence", value("gradient_confidence"), mean(&seen.confidences), 1e-10);
        close("update_norm", value("update_norm"), mean(&seen.changes), 1e-10);
        let ratios: Vec<f64> = seen.changes.iter().zip(&seen.sizes).map(|(change, size)| change / size).collect();
        close("update_to_weight", value("update_to_weight"), mean(&ratios), 1e-10);
        // After the last update.
        let trace: Vec<LayerTrace> = seen.end.forward(&inputs()).iter().map(LayerTrace::detach).collect();
        close("weight_norm", value("weight_norm"), weight_norm(&seen.end), 1e-12);
        close("unit_sign_entropy", value("unit_sign_entropy"), unit_sign_entropy(&trace), 1e-12);
        close("dead_units", value("dead_units"), dead_units(&trace, false), 1e-12);
        close("effective_rank", value("effective_rank"), effective_rank(&trace, false).unwrap(), 1e-10);
        close("stable_rank", value("stable_rank"), stable_rank(&trace, false).unwrap(), 1e-14);
        close("weight_norm_l2", value("weight_norm_l2"), weight_norm_l2(&seen.end), 1e-12);
        let penalties = vec![penalty("l2_loss", 1e-3, &seen.end)];
        let hessian = Hessian::of_network(&seen.end, &inputs(), &seen.labels, &penalties);
        let largest = dense(&hessian).linalg_eigvalsh("L").double_value(&[-1]);
        close("sharpness", value("sharpness"), largest, 1e-8);
        close("hessian_spectral_rank", value("hessian_spectral_rank"), dense_spectral_rank(&hessian), 0.4);
    }
    assert_eq!(told_apart, [true; 2], "the example tells a start from an end, and new labels from old ones");
}
