//! A convolution's Hessian block in a network that is linear between kinks.
//!
//! Over the unfolded input a convolution is a dense layer that sees a row of patches for each position, and a sample's
//! Jacobian is the sum over its positions. With the factor N_i (C x out at each of T positions) and the patches U_i
//! (T x in 3 3, with a column of ones) the block is F^T F / B, where the C rows of F that belong to sample i are
//! N_i^T U_i, summed over positions. F is formed where that is less than the factor, that is on large images with few
//! channels; elsewhere its products are made of those with U and N.

use tch::{Device, Kind, Tensor};
use trainability_tensor::Filters;
use trainability_tensor::lanczos::SymmetricOperator;

use super::gauss_newton::{as_matrix, as_vector, pull, push};

/// The block itself, acting on the layer's weight (row-major) followed by its bias.
pub(crate) struct PatchSide {
    samples: i64,
    units: i64,
    form: Form,
}

enum Form {
    /// F, (B C) x (out (in 3 3 + 1)), a row being a matrix as [`as_matrix`] has it.
    Formed(Tensor),
    Factored {
        /// B x C x (T out).
        factor: Tensor,
        /// (B T) x (in 3 3 + 1), the last column of ones.
        patches: Tensor,
    },
}

impl PatchSide {
    /// From the layer's input (B x in x H x W) and its factor (B x C x out x H' x W').
    pub(super) fn new(filters: Filters, input: &Tensor, factor: &Tensor) -> PatchSide {
        let (samples, classes, units) = (factor.size()[0], factor.size()[1], factor.size()[2]);
        let patches = filters.unfold(input).transpose(1, 2);
        let (positions, features) = (patches.size()[1], patches.size()[2] + 1);
        let ones = Tensor::ones([samples, positions, 1], (patches.kind(), patches.device()));
        let patches = Tensor::cat(&[patches, ones], 2);
        let form = if features <= positions {
            let rows = factor.reshape([samples, classes * units, positions]).bmm(&patches);
            Form::Formed(rows.view([samples * classes, units * features]))
        } else {
            Form::Factored {
                factor: factor.flatten(3, -1).transpose(2, 3).flatten(2, 3).contiguous(),
                patches: patches.flatten(0, 1),
            }
        };
        PatchSide { samples, units, form }
    }
}

impl SymmetricOperator for PatchSide {
    fn size(&self) -> i64 {
        match &self.form {
            Form::Formed(rows) => rows.size()[1],
            Form::Factored { patches, .. } => self.units * patches.size()[1],
        }
    }

    fn options(&self) -> (Kind, Device) {
        match &self.form {
            Form::Formed(tensor) | Form::Factored { factor: tensor, .. } => (tensor.kind(), tensor.device()),
        }
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let direction = as_matrix(vector, self.units);
        let product = match &self.form {
            Form::Formed(rows) => rows.tr().mv(&rows.mv(&direction.view([-1]))).view([self.units, -1]),
            Form::Factored { factor, patches } => {
                let change = patches.mm(&direction.tr());
                let logits = push(factor, &change);
                let pulled = pull(factor, &logits);
                pulled.view([-1, self.units]).tr().mm(patches)
            }
        };
        as_vector(&(product / self.samples as f64))
    }
}
