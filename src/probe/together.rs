//! What is found of each layer at an update of several networks in lock step, by a few batched products for all of them: the
//! same as of each network alone. For networks that are linear between kinks, with penalties whose curvature is the same in
//! every direction.

use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use trainability_tensor::lanczos::{Ends, Extremes, LanczosOptions, OperatorsTogether, extreme_eigenvalues_together};
use trainability_tensor::{LayerTrace, LinearMap, sample_gradients};

use super::curvature::singular;
use super::gauss_newton::output_factor;
use crate::model::{LayerChain, StackedBackward, StackedPass};

/// Squared norms of each network's layers, R rows of one a layer, from its parameters' gradients, R x P, that lie there.
pub(crate) fn squared_norms(rows: &Tensor, extents: &[(i64, i64)]) -> Vec<Vec<f64>> {
    let of_layer = |&(first, length): &(i64, i64)| {
        let part = rows.narrow(1, first, length).to_kind(Kind::Double);
        part.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double)
    };
    by_network(&extents.iter().map(of_layer).collect::<Vec<Tensor>>())
}

/// sigma2 of each network's layers (docs/method.md, equation (2)), from the squared norms of the gradients of their mean
/// cross-entropy.
pub(crate) fn noise_variances(
    pass: &StackedPass,
    backward: &StackedBackward,
    squared_means: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let moments = pass.layers().iter().zip(backward.deltas()).map(|(layer, delta)| {
        sample_gradients::squared_norms(layer, delta).mean_dim([-1i64].as_slice(), false, Kind::Double)
    });
    let moments = by_network(&moments.collect::<Vec<Tensor>>());
    let is_single = pass.logits().size()[1] == 1;
    let of_layer = |(moment, mean): (&f64, &f64)| if is_single { 0.0 } else { (moment - mean).max(0.0) };
    moments.iter().zip(squared_means).map(|(own, means)| own.iter().zip(means).map(of_layer).collect()).collect()
}

/// The ends of each layer's block of the Hessian of the cross-entropy, layer by layer, of each network. The networks are
/// linear between kinks; `generators` are their own.
pub(crate) fn curvatures(
    networks: &[LayerChain],
    pass: &StackedPass,
    options: LanczosOptions,
    generators: &mut [&mut ChaCha8Rng],
) -> Vec<Vec<Extremes>> {
    let _guard = tch::no_grad_guard();
    let layers = pass.layers();
    let mut found: Vec<Vec<Extremes>> = vec![Vec::new(); networks.len()];
    for (LayerTrace { input, .. }, factor) in layers.iter().zip(factors(networks, layers)) {
        let [_, samples, inputs] = input.size()[..] else { panic!("inputs are R x B x in") };
        let [_, classes, units] = factor.size()[..] else { panic!("factors are R B x C x out") };
        // The smaller of the two forms of a block, as for one network.
        let is_reduced = units * (inputs + 1) > samples * classes;
        let (ends, extremes) = if is_reduced {
            let ends = Ends::Largest;
            (ends, extreme_eigenvalues_together(&SampleSides::new(input, factor), ends, options, generators))
        } else {
            let ends = Ends::Both;
            (ends, extreme_eigenvalues_together(&ParameterSides::new(input, factor), ends, options, generators))
        };
        for (own, extremes) in found.iter_mut().zip(extremes) {
            own.push(if is_reduced { singular(extremes, ends) } else { extremes });
        }
    }
    found
}

/// N_i of every layer for every sample of every network, (R B) x C x out; the last layer's last.
fn factors(networks: &[LayerChain], layers: &[LayerTrace]) -> Vec<Tensor> {
    let logits = &layers[layers.len() - 1].pre_activation;
    let mut factor = output_factor(&logits.flatten(0, 1));
    let classes = factor.size()[1];
    let mut factors = Vec::with_capacity(layers.len());
    for index in (0..layers.len() - 1).rev() {
        let weights: Vec<&Tensor> = networks.iter().map(|network| network.layers[index + 1].weight()).collect();
        let units = factor.size()[2];
        let of_network = factor.view([networks.len() as i64, -1, units]);
        let below = of_network.bmm(&Tensor::stack(&weights, 0));
        let pre_activation = layers[index].pre_activation.flatten(0, 1).unsqueeze(1);
        let below = below.view([pre_activation.size()[0], classes, -1]);
        factors.push(factor);
        factor = networks[0].activation.pull_back(&pre_activation, &below, LinearMap::Dense);
    }
    factors.push(factor);
    factors.reverse();
    factors.into_iter().map(|factor| factor.contiguous()).collect()
}

/// F F^T / B of each network, on B C numbers.
struct SampleSides {
    /// (R B) x C x out.
    factor: Tensor,
    /// (a_i . a_j + 1) / B, R x B x B.
    gram: Tensor,
}

impl SampleSides {
    fn new(input: &Tensor, factor: Tensor) -> SampleSides {
        let samples = input.size()[1] as f64;
        SampleSides { factor, gram: (input.bmm(&input.transpose(1, 2)) + 1.0) / samples }
    }
}

impl OperatorsTogether for SampleSides {
    fn vectors(&self) -> ([i64; 2], (Kind, Device)) {
        let [networks, samples, _] = self.gram.size()[..] else { panic!("the Gram matrices are R x B x B") };
        ([networks, samples * self.factor.size()[1]], (self.factor.kind(), self.factor.device()))
    }

    fn apply(&self, vectors: &Tensor) -> Tensor {
        let [all, classes, units] = self.factor.size()[..] else { panic!("factors are R B x C x out") };
        let pulled = self.factor.transpose(1, 2).bmm(&vectors.reshape([all, classes, 1]));
        let spread = self.gram.bmm(&pulled.view([self.gram.size()[0], -1, units]));
        self.factor.bmm(&spread.view([all, units, 1])).view_as(vectors)
    }
}

/// The blocks themselves, on each layer's weight (row-major) followed by its bias.
struct ParameterSides {
    /// (R B) x C x out.
    factor: Tensor,
    /// The inputs with a column of ones, R x B x (in + 1).
    input: Tensor,
}

impl ParameterSides {
    fn new(input: &Tensor, factor: Tensor) -> ParameterSides {
        let [networks, samples, _] = input.size()[..] else { panic!("inputs are R x B x in") };
        let ones = Tensor::ones([networks, samples, 1], (input.kind(), input.device()));
        ParameterSides { factor, input: Tensor::cat(&[input, &ones], 2) }
    }
}

impl OperatorsTogether for ParameterSides {
    fn vectors(&self) -> ([i64; 2], (Kind, Device)) {
        let sizes = [self.input.size()[0], self.factor.size()[2] * self.input.size()[2]];
        (sizes, (self.factor.kind(), self.factor.device()))
    }

    fn apply(&self, vectors: &Tensor) -> Tensor {
        let [networks, samples, columns] = self.input.size()[..] else { panic!("inputs are R x B x (in + 1)") };
        let units = self.factor.size()[2];
        let (features, all) = (columns - 1, networks * samples);
        let weight = vectors.narrow(1, 0, units * features).reshape([networks, units, features]);
        let bias = vectors.narrow(1, units * features, units).unsqueeze(2);
        let change = self.input.bmm(&Tensor::cat(&[weight, bias], 2).transpose(1, 2));
        let logits = self.factor.bmm(&change.view([all, units, 1]));
        let pulled = self.factor.transpose(1, 2).bmm(&logits).view([networks, samples, units]);
        let product = pulled.transpose(1, 2).bmm(&self.input) / samples as f64;
        let weight = product.narrow(2, 0, features).flatten(1, 2);
        Tensor::cat(&[weight, product.select(2, features)], 1)
    }
}

/// Numbers of each network, from those of each layer, R each.
pub(crate) fn by_network(of_layers: &[Tensor]) -> Vec<Vec<f64>> {
    let numbers = Tensor::stack(of_layers, 1).to_kind(Kind::Double).to_device(Device::Cpu);
    Vec::<Vec<f64>>::try_from(numbers).expect("R x layers")
}
