//! How weights begin.

use tch::{Kind, Tensor};

use crate::random::Generator;

/// Kaiming-uniform with fan-in and the gain of ReLU: U(-b, b) with b = sqrt(6 / fan_in) (He et al., arXiv 1502.01852), for
/// a weight of these sizes, units first: what is left makes the fan-in.
pub fn kaiming_uniform(sizes: &[i64], kind: Kind, generator: &mut Generator) -> Tensor {
    let fan_in: i64 = sizes[1..].iter().product();
    generator.uniform(sizes, (6.0 / fan_in as f64).sqrt(), kind)
}
