//! Indicators by plain loops over units and samples.

use tch::{Kind, Tensor};
use trainability_tensor::LayerTrace;
use trainability_tensor::lanczos::SymmetricOperator;
use trainability_tensor::layer::tensors;

use super::networks::{matrix, numbers};
use crate::model::{Chain, Model, Pass, gradients};

/// `tolerance` is relative; an expected zero has to be met.
#[track_caller]
pub(crate) fn close(what: &str, found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.unwrap_or_else(|| panic!("{what} is undefined, expected {expected}"));
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what} is {found}, expected {expected}");
}

/// The numbers of a matrix, column by column.
fn columns(matrix: &Tensor) -> Vec<Vec<f64>> {
    let width = matrix.size()[1] as usize;
    let all = numbers(matrix);
    (0..width).map(|column| all.iter().skip(column).step_by(width).copied().collect()).collect()
}

pub(crate) fn mean(values: &[f64]) -> f64 {
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

pub(crate) fn unit_sign_entropy(trace: &[LayerTrace]) -> f64 {
    let unit = |sums: Vec<f64>| {
        let on = sums.iter().filter(|z| **z > 0.0).count() as f64 / sums.len() as f64;
        [on, 1.0 - on].into_iter().filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum()
    };
    over_hidden(trace, |sums| mean(&columns(sums).into_iter().map(unit).collect::<Vec<f64>>()))
}

pub(crate) fn dead_units(trace: &[LayerTrace], crelu: bool) -> f64 {
    over_hidden(trace, |sums| {
        let features = features(sums, crelu);
        features.iter().filter(|feature| feature.iter().all(|&h| h <= 0.0)).count() as f64 / features.len() as f64
    })
}

/// `None` if a layer has no activation at all.
pub(crate) fn effective_rank(trace: &[LayerTrace], crelu: bool) -> Option<f64> {
    let ranks = trace[..trace.len() - 1].iter().map(|layer| {
        let values = singular_values(features(&layer.pre_activation, crelu));
        let total: f64 = values.iter().sum();
        let shares = values.iter().map(|value| value / total).filter(|share| *share > 1e-14);
        (total > 0.0).then(|| shares.map(|share| -share * share.ln()).sum::<f64>().exp())
    });
    Some(mean(&ranks.collect::<Option<Vec<f64>>>()?))
}

/// The smallest number of singular values that reach 99 % of their sum, mean over hidden layers.
pub(crate) fn stable_rank(trace: &[LayerTrace], crelu: bool) -> Option<f64> {
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

pub(crate) fn weight_norm(network: &Chain) -> f64 {
    mean(&tensors(network.layers()).flat_map(numbers).map(f64::abs).collect::<Vec<_>>())
}

pub(crate) fn weight_norm_l2(network: &Chain) -> f64 {
    tensors(network.layers()).flat_map(numbers).map(|theta| theta * theta).sum::<f64>().sqrt()
}

/// Share of the dense Hessian's eigenvalues with a magnitude above 1 % of the largest.
pub(crate) fn dense_spectral_rank(operator: &dyn SymmetricOperator) -> f64 {
    let magnitudes: Vec<f64> = numbers(&matrix(operator).linalg_eigvalsh("L")).into_iter().map(f64::abs).collect();
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    magnitudes.iter().filter(|value| **value > 0.01 * largest).count() as f64 / magnitudes.len() as f64
}

pub(crate) fn mean_distance(a: &[f64], b: &[f64]) -> f64 {
    mean(&a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>())
}

/// Of each unit of a layer, all values that enter the activation, over samples and positions.
fn of_units(layer: &LayerTrace) -> Vec<Vec<f64>> {
    let values = layer.activation_input();
    match values.dim() {
        2 => columns(values),
        _ => (0..values.size()[1]).map(|channel| numbers(&values.select(1, channel))).collect(),
    }
}

/// Dormant units over all hidden layers' units, by ReDo's score.
pub(crate) fn dormant_units(trace: &[LayerTrace], crelu: bool, threshold: f64) -> f64 {
    let (mut dormant, mut count) = (0, 0);
    for layer in &trace[..trace.len() - 1] {
        let activity = |z: &f64| if crelu { z.abs() } else { z.max(0.0) };
        let units: Vec<f64> =
            of_units(layer).iter().map(|unit| mean(&unit.iter().map(activity).collect::<Vec<_>>())).collect();
        dormant += units.iter().filter(|unit| **unit <= threshold * mean(&units)).count();
        count += units.len();
    }
    dormant as f64 / count as f64
}

/// The mean length of a sample's features in the last hidden layer.
pub(crate) fn feature_norm(trace: &[LayerTrace], crelu: bool) -> f64 {
    let values = trace[trace.len() - 2].activation_input();
    let square = |z: &f64| if crelu || *z > 0.0 { z * z } else { 0.0 };
    let of_sample = |sample| numbers(&values.get(sample)).iter().map(square).sum::<f64>().sqrt();
    mean(&(0..values.size()[0]).map(of_sample).collect::<Vec<f64>>())
}

/// The eigenvalues, in ascending order, of the neural tangent kernel averaged over classes, by a pass for each sample and logit.
pub(crate) fn tangent_kernel_eigenvalues(model: &dyn Model, inputs: &Tensor) -> Vec<f64> {
    let samples = inputs.size()[0];
    let gradient = |sample: i64, class: i64| -> Vec<f64> {
        let logits = model.forward(&inputs.narrow(0, sample, 1), &mut Pass::evaluation().without_trace());
        gradients(model.layers(), &logits.get(0).get(class), false).iter().flatten().flat_map(numbers).collect()
    };
    let classes = model.layers().last().unwrap().units();
    let all: Vec<Vec<Vec<f64>>> =
        (0..samples).map(|sample| (0..classes).map(|class| gradient(sample, class)).collect()).collect();
    let product = |a: &Vec<Vec<f64>>, b: &Vec<Vec<f64>>| {
        let pairs = a.iter().flatten().zip(b.iter().flatten());
        pairs.map(|(x, y)| x * y).sum::<f64>() / classes as f64
    };
    let kernel: Vec<f64> = all.iter().flat_map(|a| all.iter().map(move |b| product(a, b))).collect();
    numbers(&Tensor::from_slice(&kernel).view([samples, samples]).linalg_eigvalsh("L"))
}

/// Largest over smallest of some eigenvalues in ascending order, those of rounding alone being as large as rounding.
pub(crate) fn condition_number(values: &[f64]) -> f64 {
    let largest = values[values.len() - 1];
    largest / values[0].max(values.len() as f64 * f64::EPSILON * largest)
}

/// exp of the entropy of normalised values.
pub(crate) fn exponential_entropy(values: &[f64]) -> f64 {
    let total: f64 = values.iter().sum();
    let shares = values.iter().map(|value| value / total).filter(|share| *share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

/// Rank at 1 %, smallest singular value, and distance from an isometry, mean over layers.
pub(crate) fn weight_matrices(model: &dyn Model) -> [f64; 3] {
    let of_layers = model.layers().iter().map(|layer| {
        let matrix = layer.weight().detach().to_kind(Kind::Double).flatten(1, -1);
        let shorter = matrix.size()[0].min(matrix.size()[1]) as usize;
        let sides = if matrix.size()[0] as usize == shorter { columns(&matrix.tr()) } else { columns(&matrix) };
        let values = singular_values(sides.clone());
        let largest = values.iter().copied().fold(0.0, f64::max);
        let rank = values.iter().filter(|value| **value > 0.01 * largest).count() as f64 / shorter as f64;
        let square = |i: usize, j: usize| {
            let product: f64 = sides[i].iter().zip(&sides[j]).map(|(x, y)| x * y).sum();
            (product - if i == j { 1.0 } else { 0.0 }).powi(2)
        };
        let distance = (0..shorter).flat_map(|i| (0..shorter).map(move |j| (i, j))).map(|(i, j)| square(i, j));
        [rank, values.iter().copied().fold(f64::INFINITY, f64::min), (distance.sum::<f64>() / shorter as f64).sqrt()]
    });
    let of_layers: Vec<[f64; 3]> = of_layers.collect();
    [0, 1, 2].map(|of| mean(&of_layers.iter().map(|layer| layer[of]).collect::<Vec<f64>>()))
}

/// |theta - theta_0| / |theta_0|.
pub(crate) fn relative_distance(now: &[f64], then: &[f64]) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    (square(&mut now.iter().zip(then).map(|(a, b)| a - b)) / square(&mut then.iter().copied())).sqrt()
}

/// Share of the dense Hessian's eigenvalues with a magnitude above this.
pub(crate) fn dense_epsilon_rank(operator: &dyn SymmetricOperator, epsilon: f64) -> f64 {
    let values = numbers(&matrix(operator).linalg_eigvalsh("L"));
    values.iter().filter(|value| value.abs() > epsilon).count() as f64 / values.len() as f64
}
