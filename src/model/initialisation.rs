//! How parameters begin.

use tch::{Kind, Tensor, no_grad};
use trainability_tensor::{Generator, Layer, LinearMap, Role};

/// Kaiming-uniform with fan-in and the gain of ReLU: U(-b, b) with b = sqrt(6 / fan_in) (He et al., arXiv 1502.01852), for
/// a weight of these sizes, units first: what is left makes the fan-in.
fn kaiming_uniform(sizes: &[i64], kind: Kind, generator: &mut Generator) -> Tensor {
    let fan_in: i64 = sizes[1..].iter().product();
    generator.uniform(sizes, (6.0 / fan_in as f64).sqrt(), kind)
}

/// A weight of these sizes as the layer's begins: Kaiming-uniform; gains are 1, and a table of vectors is uniform with a standard
/// deviation of .02, as is usual of those that stand for positions and words.
pub(crate) fn fresh_weight(layer: &Layer, sizes: &[i64], generator: &mut Generator) -> Tensor {
    let weight = layer.weight();
    let kind = weight.kind();
    let drawn = match layer.map {
        LinearMap::Dense | LinearMap::Shared | LinearMap::Convolution(_) => kaiming_uniform(sizes, kind, generator),
        LinearMap::Embedding => generator.uniform(sizes, 0.02 * 3f64.sqrt(), kind),
        LinearMap::Normalisation(_) => Tensor::ones(sizes, (kind, weight.device())),
    };
    drawn.to_device(weight.device())
}

/// Draws all parameters anew: weights by their kind of layer, gains of 1, and 0 for biases and shifts.
pub fn initialise(layers: &mut [Layer], generator: &mut Generator) {
    for layer in layers {
        let weight = fresh_weight(layer, &layer.weight().size(), generator);
        for parameter in &mut layer.parameters {
            let value = &mut parameter.value;
            no_grad(|| match parameter.role {
                Role::Weight => value.copy_(&weight),
                role => drop(value.fill_(role.start())),
            });
        }
    }
}
