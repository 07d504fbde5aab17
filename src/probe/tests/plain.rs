//! A perceptron and its loss in plain numbers: loops over samples, units and parameters without a tensor, Hessian blocks by
//! central differences of the loops' gradients, eigenvalues by Jacobi's rotations.

use tch::{Kind, Tensor};
use trainability_baselines::activation::{Activation, crelu::Crelu, relu::Relu, tanh::Tanh};
use trainability_baselines::penalty::{Curvature, Penalty};
use trainability_tensor::layer::tensors;
use trainability_tensor::{Gradients, Layer, State, StateError, Stateful};

use crate::model::{Chain, Model};
use crate::testing::networks::penalty;

/// Of every penalty.
pub(super) const COEFFICIENT: f64 = 0.05;
/// Features of an image.
pub(super) const INPUTS: usize = 6;
/// Units of the output layer.
pub(super) const CLASSES: usize = 3;

/// The sum of fourth powers: its Hessian is no multiple of the identity.
#[derive(Debug)]
struct Quartic;

impl Penalty for Quartic {
    fn name(&self) -> &'static str {
        "quartic"
    }

    fn begin(&mut self, _layers: &[Layer]) {}

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let parameters = layers.iter().flat_map(|layer| &layer.parameters);
        parameters.map(|p| p.value.square().square().sum(Kind::Double)).sum::<Tensor>() * COEFFICIENT
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        for (value, gradient) in tensors(layers).zip(gradients.iter_mut().flatten()) {
            let theta = value.detach();
            *gradient += theta.square() * theta * (4.0 * COEFFICIENT);
        }
    }

    fn curvature(&self, _layer: &Layer) -> Option<Curvature> {
        None
    }
}

impl Stateful for Quartic {
    fn save(&self, _state: &mut State) {}

    fn restore(&mut self, _state: &State) -> Result<(), StateError> {
        Ok(())
    }
}

/// The activation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Relu,
    Crelu,
    Tanh,
}

impl Unit {
    pub(super) fn activation(self) -> Box<dyn Activation> {
        match self {
            Unit::Relu => Box::new(Relu),
            Unit::Crelu => Box::new(Crelu),
            Unit::Tanh => Box::new(Tanh),
        }
    }

    fn forward(self, sums: &[f64]) -> Vec<f64> {
        match self {
            Unit::Relu => sums.iter().map(|z| z.max(0.0)).collect(),
            Unit::Crelu => sums.iter().map(|z| z.max(0.0)).chain(sums.iter().map(|z| (-z).max(0.0))).collect(),
            Unit::Tanh => sums.iter().map(|z| z.tanh()).collect(),
        }
    }

    fn pull_back(self, sums: &[f64], gradient: &[f64]) -> Vec<f64> {
        let slope = |(j, &z): (usize, &f64)| match self {
            Unit::Relu if z > 0.0 => gradient[j],
            Unit::Relu => 0.0,
            Unit::Crelu if z > 0.0 => gradient[j],
            Unit::Crelu => -gradient[sums.len() + j],
            Unit::Tanh => gradient[j] / z.cosh().powi(2),
        };
        sums.iter().enumerate().map(slope).collect()
    }
}

/// The terms of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Terms {
    CrossEntropy,
    /// Plus the sum of squares and the Wasserstein distance.
    Isotropic,
    /// Plus the sum of fourth powers.
    Quartic,
}

impl Terms {
    pub(super) fn penalties(self, network: &Chain) -> Vec<Box<dyn Penalty>> {
        let named = |name: &str| penalty(name, COEFFICIENT, network.layers());
        match self {
            Terms::CrossEntropy => vec![],
            Terms::Isotropic => vec![named("l2_loss"), named("wasserstein")],
            Terms::Quartic => vec![Box::new(Quartic)],
        }
    }
}

/// A minibatch in plain numbers.
pub(super) struct Batch {
    pub images: Vec<Vec<f64>>,
    pub labels: Vec<usize>,
}

/// The network and its loss in plain numbers.
#[derive(Clone)]
pub(super) struct Plain {
    pub unit: Unit,
    pub terms: Terms,
    /// Features that come in and units of each layer.
    pub sizes: Vec<(usize, usize)>,
    /// Each layer's weight row by row, then its bias.
    pub parameters: Vec<Vec<f64>>,
    /// The parameters that the Wasserstein distance starts from.
    pub initial: Vec<Vec<f64>>,
}

impl Plain {
    /// The gradient of one sample's cross-entropy, layer by layer.
    fn sample_gradient(&self, image: &[f64], label: usize) -> Vec<Vec<f64>> {
        let (mut inputs, mut sums) = (vec![image.to_vec()], Vec::<Vec<f64>>::new());
        for (index, &(fan_in, units)) in self.sizes.iter().enumerate() {
            if index > 0 {
                inputs.push(self.unit.forward(&sums[index - 1]));
            }
            let (weight, bias) = self.parameters[index].split_at(fan_in * units);
            let sum = |unit: usize| {
                let row = &weight[unit * fan_in..(unit + 1) * fan_in];
                bias[unit] + row.iter().zip(&inputs[index]).map(|(w, a)| w * a).sum::<f64>()
            };
            sums.push((0..units).map(sum).collect());
        }
        let exponentials: Vec<f64> = sums.last().unwrap().iter().map(|z| z.exp()).collect();
        let total: f64 = exponentials.iter().sum();
        let error = |(class, e): (usize, &f64)| e / total - if class == label { 1.0 } else { 0.0 };
        let mut delta: Vec<f64> = exponentials.iter().enumerate().map(error).collect();
        let mut gradients = Vec::new();
        for (index, &(fan_in, _)) in self.sizes.iter().enumerate().rev() {
            let outer = delta.iter().flat_map(|d| inputs[index].iter().map(move |a| d * a));
            gradients.push(outer.chain(delta.iter().copied()).collect());
            if index > 0 {
                let back = |feature: usize| {
                    let column = self.parameters[index].iter().skip(feature).step_by(fan_in);
                    delta.iter().zip(column).map(|(d, w)| d * w).sum()
                };
                delta = self.unit.pull_back(&sums[index - 1], &(0..fan_in).map(back).collect::<Vec<f64>>());
            }
        }
        gradients.reverse();
        gradients
    }

    /// The gradient of the penalties at a layer's parameters.
    fn penalty_gradient(&self, layer: usize) -> Vec<f64> {
        let theta = &self.parameters[layer];
        match self.terms {
            Terms::CrossEntropy => vec![0.0; theta.len()],
            Terms::Quartic => theta.iter().map(|t| 4.0 * COEFFICIENT * t.powi(3)).collect(),
            Terms::Isotropic => {
                let weights = self.sizes[layer].0 * self.sizes[layer].1;
                let initial = self.initial[layer].split_at(weights);
                let parts = theta.split_at(weights);
                let targets = same_rank(parts.0, initial.0).into_iter().chain(same_rank(parts.1, initial.1));
                theta.iter().zip(targets).map(|(t, target)| 2.0 * COEFFICIENT * (t + t - target)).collect()
            }
        }
    }

    /// The gradient of the total loss at one layer.
    pub(super) fn total_gradient(&self, batch: &Batch, layer: usize) -> Vec<f64> {
        let mut sum = vec![0.0; self.parameters[layer].len()];
        for (image, &label) in batch.images.iter().zip(&batch.labels) {
            for (sum, g) in sum.iter_mut().zip(&self.sample_gradient(image, label)[layer]) {
                *sum += g;
            }
        }
        let count = batch.labels.len() as f64;
        sum.iter().zip(self.penalty_gradient(layer)).map(|(s, p)| s / count + p).collect()
    }

    /// (1/B) sum_i |g_i - g_mean|^2 of the cross-entropy.
    pub(super) fn noise_variance(&self, batch: &Batch, layer: usize) -> f64 {
        let samples: Vec<Vec<f64>> = batch
            .images
            .iter()
            .zip(&batch.labels)
            .map(|(image, &label)| self.sample_gradient(image, label).swap_remove(layer))
            .collect();
        let count = samples.len() as f64;
        let mean = |index: usize| samples.iter().map(|g| g[index]).sum::<f64>() / count;
        let spread = |index: usize| samples.iter().map(|g| (g[index] - mean(index)).powi(2)).sum::<f64>() / count;
        (0..samples[0].len()).map(spread).sum()
    }

    /// The spectrum, ascending, of the layer's block of the Hessian of the total loss.
    pub(super) fn spectrum(&self, batch: &Batch, layer: usize) -> Vec<f64> {
        const STEP: f64 = 1e-6;
        let shifted = |index: usize, by: f64| {
            let mut other = self.clone();
            other.parameters[layer][index] += by;
            other.total_gradient(batch, layer)
        };
        let row = |index: usize| -> Vec<f64> {
            let (above, below) = (shifted(index, STEP), shifted(index, -STEP));
            above.iter().zip(below).map(|(a, b)| (a - b) / (2.0 * STEP)).collect()
        };
        let rows: Vec<Vec<f64>> = (0..self.parameters[layer].len()).map(row).collect();
        let symmetric = |i: usize| (0..rows.len()).map(|j| 0.5 * (rows[i][j] + rows[j][i])).collect();
        eigenvalues((0..rows.len()).map(symmetric).collect())
    }
}

/// For each value, the other value of the same rank.
fn same_rank(values: &[f64], others: &[f64]) -> Vec<f64> {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    values.iter().map(|value| sorted[values.iter().filter(|other| *other < value).count()]).collect()
}

/// Eigenvalues of a symmetric matrix in ascending order.
fn eigenvalues(mut a: Vec<Vec<f64>>) -> Vec<f64> {
    let size = a.len();
    for _ in 0..15 {
        for p in 0..size {
            for q in p + 1..size {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                for row in &mut a {
                    (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..size).map(|i| a[i][i]).collect();
    values.sort_by(f64::total_cmp);
    values
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn square_sum(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}
