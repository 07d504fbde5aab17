//! How weights begin.

use tch::{Kind, Tensor};

use crate::random::Generator;

/// Kaiming-uniform with fan-in and the gain of ReLU: U(-b, b) with b = sqrt(6 / fan_in) (He et al., arXiv 1502.01852),
/// out x in.
pub fn kaiming_uniform(units: i64, fan_in: i64, kind: Kind, generator: &mut Generator) -> Tensor {
    generator.uniform(&[units, fan_in], (6.0 / fan_in as f64).sqrt(), kind)
}
