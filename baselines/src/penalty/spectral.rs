//! The distance of each weight's largest singular value from one (Lewandowski et al., arXiv 2406.06811).
//!
//! The penalty is defined by the exact singular value, and so are its loss and its Hessian. Its gradient follows the
//! singular vectors from update to update by one step of power iteration, which on a weight that stands still
//! converges to the exact gradient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::curvature::{LeadingPair, SpectralNormCurvature};
use super::{CoefficientOptions, Curvature, Penalty};
use crate::options::{OptionError, check_coefficient};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::for_float;
use trainability_tensor::layer::{Gradients, Layer, Role};
use trainability_tensor::slices::{Float, dot, on_host, sum_of_squares, view, view_mut};
use trainability_tensor::state::{State, StateError, Stateful};

/// `spectral`: distance of each weight's largest singular value from one.
pub(crate) const PART: Part =
    Part::of::<SpectralOptions>("spectral", "distance of each weight's largest singular value from one");

/// `coefficient`: lambda, by default 1e-3.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct SpectralOptions(CoefficientOptions);

impl PartOptions for SpectralOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let coefficient = check_coefficient(self.0.coefficient)?;
        Ok(Contribution::Penalty(Box::new(Spectral { coefficient, right: Vec::new() })))
    }
}

/// lambda * sum over weights of (sigma_max^2 - 1)^2; biases are left alone. A convolution's weight is taken as the matrix
/// out x (in 3 3).
#[derive(Debug)]
pub(crate) struct Spectral {
    coefficient: f64,
    /// Layer names with the unit vector that follows the weight's leading right singular vector.
    right: Vec<(String, Tensor)>,
}

impl Penalty for Spectral {
    fn name(&self) -> &'static str {
        PART.name
    }

    /// Starts from the exact vectors: from random ones it would take hundreds of updates to reach them, since the
    /// largest singular values of a random weight lie close together.
    fn begin(&mut self, layers: &[Layer]) {
        let start = |layer: &Layer| {
            let right = LeadingPair::of(&layer.matrix()?).right;
            // A weight of zeros has no direction of its own.
            let right =
                if right.any().int64_value(&[]) != 0 { right } else { right.ones_like() / right.numel() as f64 };
            Some((layer.name.clone(), right.to_kind(layer.weight().kind())))
        };
        self.right = layers.iter().filter_map(start).collect();
    }

    fn loss(&self, layers: &[&Layer]) -> Tensor {
        let distances = layers.iter().filter_map(|layer| layer.matrix()).map(|matrix| {
            let (_, values, _) = matrix.svd(true, true);
            (values.get(0).square() - 1.0).square()
        });
        distances.sum::<Tensor>() * self.coefficient
    }

    fn add_gradient(&mut self, layers: &[Layer], gradients: &mut Gradients) {
        let matrices = layers.iter().zip(gradients).filter_map(|(layer, own)| Some((layer, layer.matrix()?, own)));
        for ((layer, matrix, gradient), (_, right)) in matrices.zip(&mut self.right) {
            let weight = layer.position(Role::Weight).expect("every layer has a weight");
            let (gradient, coefficient) = (&mut gradient[weight], self.coefficient);
            match on_host(right) {
                true => for_float!(right, add_distance(layer.weight(), right, gradient, coefficient)),
                false => add_distance_elsewhere(&matrix.detach(), right, gradient, coefficient),
            }
        }
    }

    fn needs_initial_parameters(&self) -> bool {
        false
    }

    fn curvature(&self, layer: &Layer) -> Option<Curvature> {
        let Some(matrix) = layer.matrix() else { return Some(Curvature::Isotropic(0.0)) };
        let derivatives = |square: f64| (2.0 * self.coefficient * (square - 1.0), 2.0 * self.coefficient);
        Some(Curvature::SpectralNorm(SpectralNormCurvature::new(&matrix, derivatives)))
    }
}

/// Makes a power step from v: u = W v / |W v|, sigma = |W^T u|, v = W^T u / sigma. Then adds the gradient of
/// lambda (sigma^2 - 1)^2 with sigma = u^T W v, which is 4 lambda sigma (sigma^2 - 1) u v^T.
fn add_distance<T: Float>(weight: &Tensor, right: &mut Tensor, gradient: &mut Tensor, coefficient: f64) {
    // SAFETY: weight, vector and gradient have memory of their own, and nobody else is at work on them.
    let (weight, right, gradient) = unsafe { (view::<T>(weight), view_mut::<T>(right), view_mut::<T>(gradient)) };
    let features = right.len();
    let mut back = vec![T::of(0.0); features];
    let mut up = Vec::with_capacity(weight.len() / features);
    // Both products in one pass over the weight, which is all the time that they take.
    for row in weight.chunks_exact(features) {
        let product = dot(row, right);
        add_multiple(&mut back, product, row);
        up.push(product);
    }
    let (up_norm, back_norm) = (norm(&up), norm(&back));
    // In a weight of zeros nothing has a direction, and the gradient is zero.
    if up_norm == 0.0 {
        return;
    }
    let sigma = back_norm / up_norm;
    let scale = T::of(1.0 / back_norm);
    for (v, &product) in right.iter_mut().zip(&back) {
        *v = scale * product;
    }
    let factor = T::of(4.0 * coefficient * sigma * (sigma * sigma - 1.0) / up_norm);
    for (row, &product) in gradient.chunks_exact_mut(features).zip(&up) {
        add_multiple(row, factor * product, right);
    }
}

/// The same by tensor operations, wherever the tensors are.
fn add_distance_elsewhere(matrix: &Tensor, right: &mut Tensor, gradient: &Tensor, coefficient: f64) {
    let up = matrix.mv(right);
    let back = matrix.tr().mv(&up);
    let [up_norm, back_norm] = [&up, &back].map(|vector| sum_of_squares(vector).sqrt());
    if up_norm == 0.0 {
        return;
    }
    let sigma = back_norm / up_norm;
    right.copy_(&(&back / back_norm));
    let factor = 4.0 * coefficient * sigma * (sigma * sigma - 1.0) / up_norm;
    let _ = gradient.flatten(1, -1).g_add_(&(up.outer(right) * factor));
}

fn add_multiple<T: Float>(target: &mut [T], factor: T, values: &[T]) {
    for (target, &value) in target.iter_mut().zip(values) {
        *target += factor * value;
    }
}

fn norm<T: Float>(vector: &[T]) -> f64 {
    vector.iter().map(|value| value.wide().powi(2)).sum::<f64>().sqrt()
}

impl Stateful for Spectral {
    fn save(&self, state: &mut State) {
        for (name, right) in &self.right {
            state.put_tensor(name, right);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.right.iter_mut().try_for_each(|(name, right)| state.copy_into(name, right))
    }
}
