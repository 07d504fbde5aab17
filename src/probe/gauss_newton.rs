//! A layer's Hessian block in a network that is linear between kinks, in a form whose products are cheap.
//!
//! With piecewise linear activations the logits are linear in one layer's parameters, so that the layer's block is
//! exactly its Gauss-Newton block (1/B) sum_i J_i^T (diag p_i - p_i p_i^T) J_i with p the softmax probabilities. The
//! middle factor is S_i S_i^T with S = diag(sqrt p) - p sqrt(p)^T, and J_i = M_i (x) (a_i, 1)^T with M_i the Jacobian
//! of the logits at the layer's pre-activation. With N_i = S_i^T M_i (C x out) the block is F^T F / B, where F has the
//! rows N_i (x) (a_i, 1), and its nonzero eigenvalues are those of F F^T / B: a matrix of B C rows, whatever the
//! layer's size, whose products need only N and the B x B Gram matrix of the inputs.

use tch::{Device, Kind, Tensor};
use trainability_tensor::lanczos::SymmetricOperator;
use trainability_tensor::slices::{Float, dot, on_host, view, view_mut};
use trainability_tensor::{Layer, LayerTrace, LinearMap, for_float};

use crate::model::LayerChain;

/// N_i of the output layer, whose logits are linear in its parameters whatever lies below, B x C x C.
pub(crate) fn output_factor(logits: &Tensor) -> Tensor {
    let probabilities = logits.softmax(1, logits.kind());
    let classes = probabilities.size()[1];
    let identity = Tensor::eye(classes, (probabilities.kind(), probabilities.device()));
    probabilities.sqrt().unsqueeze(2) * (identity - probabilities.unsqueeze(1))
}

/// N_i of every layer for every sample, B x C x out, of a convolution B x C x out x H' x W'; the last layer's last.
pub(crate) fn logit_factors(chain: LayerChain, trace: &[LayerTrace]) -> Vec<Tensor> {
    let last = trace.len() - 1;
    let mut factor = output_factor(&trace[last].pre_activation);
    let classes = factor.size()[1];
    let mut factors = Vec::with_capacity(trace.len());
    for index in (0..last).rev() {
        let pre_activation = &trace[index].pre_activation;
        let mut below = pull_to_input(&chain.layers[index + 1], &factor, &trace[index + 1].input);
        if let (LinearMap::Convolution(_), [samples, _, height, width]) = (trace[index].map, &pre_activation.size()[..])
        {
            // Above a convolution a dense layer has taken the planes one after the other.
            below = below.reshape([*samples, classes, -1, *height, *width]);
        }
        factors.push(factor);
        factor = chain.activation.pull_back(&pre_activation.unsqueeze(1), &below, trace[index].map);
    }
    factors.push(factor);
    factors.reverse();
    factors.into_iter().map(|factor| factor.detach().contiguous()).collect()
}

/// The factor at a layer's input, from that at its pre-activation.
fn pull_to_input(layer: &Layer, factor: &Tensor, input: &Tensor) -> Tensor {
    match (layer.map, &input.size()[..]) {
        (LinearMap::Convolution(filters), [samples, _, height, width]) => {
            let pulled = filters.pull_back(&factor.flatten(0, 1), layer.weight(), [*height, *width]);
            pulled.unflatten(0, [*samples, -1])
        }
        _ => factor.matmul(layer.weight()),
    }
}

/// F F^T / B: shares its nonzero eigenvalues with the block, acts on B C numbers.
pub(crate) struct SampleSide {
    factor: Tensor,
    /// (a_i . a_j + 1) / B.
    gram: Tensor,
}

impl SampleSide {
    /// From the layer's inputs (B x in) and its factor (B x C x out).
    pub(super) fn new(input: &Tensor, factor: &Tensor) -> SampleSide {
        let samples = input.size()[0] as f64;
        SampleSide { factor: factor.contiguous(), gram: (input.mm(&input.tr()) + 1.0) / samples }
    }
}

impl SymmetricOperator for SampleSide {
    fn size(&self) -> i64 {
        self.factor.size()[0] * self.factor.size()[1]
    }

    fn options(&self) -> (Kind, Device) {
        (self.factor.kind(), self.factor.device())
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        push(&self.factor, &self.gram.mm(&pull(&self.factor, vector)))
    }
}

// A product with a small matrix a sample is no work for a matrix library: its batched products take five times as long.

/// N_i^T y_i of every sample: B C numbers to B x out.
pub(super) fn pull(factor: &Tensor, vector: &Tensor) -> Tensor {
    let (samples, classes, _) = factor.size3().expect("B x C x out");
    match on_host(factor) {
        true => for_float!(vector, pull_on_host(factor, vector)),
        false => factor.transpose(1, 2).bmm(&vector.view([samples, classes, 1])).squeeze_dim(2),
    }
}

fn pull_on_host<T: Float>(factor: &Tensor, vector: &Tensor) -> Tensor {
    let (samples, classes, units) = factor.size3().expect("B x C x out");
    let (classes, width) = (classes as usize, units as usize);
    let mut result = Tensor::zeros([samples, units], (factor.kind(), factor.device()));
    // SAFETY: the result is new.
    let sums = unsafe { view_mut::<T>(&mut result) }.chunks_exact_mut(width);
    for (sum, (matrix, weights)) in sums.zip(per_sample::<T>(factor, vector, classes * width, classes)) {
        for (row, &weight) in matrix.chunks_exact(width).zip(weights) {
            for (entry, &value) in sum.iter_mut().zip(row) {
                *entry += weight * value;
            }
        }
    }
    result
}

/// N_i s_i of every sample: B x out to B C numbers.
pub(super) fn push(factor: &Tensor, signal: &Tensor) -> Tensor {
    let (samples, _, units) = factor.size3().expect("B x C x out");
    match on_host(factor) {
        true => for_float!(signal, push_on_host(factor, signal)),
        false => factor.bmm(&signal.reshape([samples, units, 1])).flatten(0, -1),
    }
}

fn push_on_host<T: Float>(factor: &Tensor, signal: &Tensor) -> Tensor {
    let (samples, classes, units) = factor.size3().expect("B x C x out");
    let (classes, width) = (classes as usize, units as usize);
    let mut result = Tensor::zeros([samples * classes as i64], (factor.kind(), factor.device()));
    // SAFETY: the result is new.
    let products = unsafe { view_mut::<T>(&mut result) }.chunks_exact_mut(classes);
    for (products, (matrix, signal)) in products.zip(per_sample::<T>(factor, signal, classes * width, width)) {
        for (product, row) in products.iter_mut().zip(matrix.chunks_exact(width)) {
            *product = dot(row, signal);
        }
    }
    result
}

/// Each sample's share of two dense tensors.
fn per_sample<'a, T: Float>(
    matrices: &'a Tensor,
    vectors: &'a Tensor,
    matrix_length: usize,
    vector_length: usize,
) -> impl Iterator<Item = (&'a [T], &'a [T])> {
    // SAFETY: products only read; factors are written once, before the operator is made.
    let (matrices, vectors) = unsafe { (view::<T>(matrices), view::<T>(vectors)) };
    matrices.chunks_exact(matrix_length).zip(vectors.chunks_exact(vector_length))
}

/// The block F^T F / B itself, acting on the layer's weight (row-major) followed by its bias.
pub(crate) struct ParameterSide {
    factor: Tensor,
    /// The inputs with a column of ones.
    input: Tensor,
}

impl ParameterSide {
    /// From the layer's inputs (B x in) and its factor (B x C x out).
    pub(super) fn new(input: &Tensor, factor: &Tensor) -> ParameterSide {
        let ones = Tensor::ones([input.size()[0], 1], (input.kind(), input.device()));
        ParameterSide { factor: factor.shallow_clone(), input: Tensor::cat(&[input, &ones], 1) }
    }
}

impl SymmetricOperator for ParameterSide {
    fn size(&self) -> i64 {
        self.factor.size()[2] * self.input.size()[1]
    }

    fn options(&self) -> (Kind, Device) {
        (self.factor.kind(), self.factor.device())
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let (samples, _, units) = self.factor.size3().expect("B x C x out");
        let change = self.input.mm(&as_matrix(vector, units).tr());
        let logits = self.factor.bmm(&change.unsqueeze(2));
        let pulled = self.factor.transpose(1, 2).bmm(&logits).squeeze_dim(2);
        as_vector(&(pulled.tr().mm(&self.input) / samples as f64))
    }
}

/// A layer's weight (row-major) and bias as one matrix, units x (in + 1).
pub(super) fn as_matrix(vector: &Tensor, units: i64) -> Tensor {
    let features = vector.size()[0] / units - 1;
    let weight = vector.narrow(0, 0, units * features).view([units, features]);
    let bias = vector.narrow(0, units * features, units).unsqueeze(1);
    Tensor::cat(&[weight, bias], 1)
}

/// The reverse of [`as_matrix`].
pub(super) fn as_vector(matrix: &Tensor) -> Tensor {
    let features = matrix.size()[1] - 1;
    Tensor::cat(&[matrix.narrow(1, 0, features).flatten(0, -1), matrix.select(1, features)], 0)
}
