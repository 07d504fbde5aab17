//! Frobenius-isometry reinitialisation (Han et al., arXiv 2602.08040): when a task begins, every weight is replaced by the
//! nearest isometry, its polar factor W (W^T W)^(-1/2), all of whose singular values are 1.
//!
//! The factor is approached by steps of Newton and Schulz, X <- 1.5 X - 0.5 X X^T X, from W over its L2 norm. Singular values far
//! below that norm take more steps: each step multiplies a small one by 1.5, so that after ten of them what was below a
//! hundredth of the norm is still below .6. A convolution's weight is taken as the matrix out x (in height width). Biases, gains
//! and shifts stay, as does the optimizer's memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_tensor::layer::Role;
use trainability_tensor::state::Stateful;

use super::{Intervention, Network, Surgery, tensors};
use crate::options::{OptionError, check, check_positive};
use crate::part::{Contribution, Part, PartOptions};

/// `fire`: weights become isometries at each task.
pub(crate) const PART: Part = Part::of::<Fire>("fire", "once a task, every weight is replaced by the nearest isometry");

/// W <- scale * polar factor of W, before the first update of each task but the first, which begins fresh anyway.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fire {
    /// Steps of Newton and Schulz.
    pub iterations: usize,
    /// What all singular values become.
    pub scale: f64,
}

impl Default for Fire {
    fn default() -> Self {
        Fire { iterations: 10, scale: 1.0 }
    }
}

impl PartOptions for Fire {
    fn build(self) -> Result<Contribution, OptionError> {
        check("iterations", self.iterations, (1..=100).contains(&self.iterations), "from 1 to 100")?;
        check_positive("scale", self.scale)?;
        Ok(Contribution::Surgery(Box::new(self)))
    }
}

impl Fire {
    /// The polar factor of a matrix, in its own kind; a matrix of zeros has none and stays.
    fn polar_factor(self, matrix: &Tensor) -> Tensor {
        let wide = matrix.size()[0] <= matrix.size()[1];
        let start = if wide { matrix.shallow_clone() } else { matrix.tr() }.to_kind(Kind::Double);
        let norm = start.norm().double_value(&[]);
        if norm == 0.0 {
            return matrix.shallow_clone();
        }
        let step = |x: Tensor, _| &x * 1.5 - x.mm(&x.tr()).mm(&x) * 0.5;
        let factor = (0..self.iterations).fold(start / norm, step);
        if wide { factor } else { factor.tr() }.to_kind(matrix.kind())
    }
}

impl Surgery for Fire {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if task == 0 {
            return;
        }
        let _guard = tch::no_grad_guard();
        for layer in network.layers_mut().iter_mut().filter(|layer| tensors::multiplies(layer)) {
            let Some(matrix) = layer.matrix() else { continue };
            let factor = self.polar_factor(&matrix.detach()) * self.scale;
            if let Some(weight) = layer.parameter_mut(Role::Weight) {
                weight.copy_(&factor.view(weight.size().as_slice()));
            }
        }
    }
}

impl Stateful for Fire {}
