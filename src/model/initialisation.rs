//! How parameters begin.

use tch::{Kind, Tensor, no_grad};
use trainability_tensor::{Generator, Layer, Role};

/// Kaiming-uniform with fan-in and the gain of ReLU: U(-b, b) with b = sqrt(6 / fan_in) (He et al., arXiv 1502.01852), for
/// a weight of these sizes, units first: what is left makes the fan-in.
pub(crate) fn kaiming_uniform(sizes: &[i64], kind: Kind, generator: &mut Generator) -> Tensor {
    let fan_in: i64 = sizes[1..].iter().product();
    generator.uniform(sizes, (6.0 / fan_in as f64).sqrt(), kind)
}

/// Draws all parameters anew: Kaiming-uniform weights, gains of 1, and 0 for biases and shifts.
pub fn initialise(layers: &mut [Layer], generator: &mut Generator) {
    for parameter in layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
        let value = &mut parameter.value;
        no_grad(|| match parameter.role {
            Role::Weight => value.copy_(&kaiming_uniform(&value.size(), value.kind(), generator)),
            role => drop(value.fill_(role.start())),
        });
    }
}
