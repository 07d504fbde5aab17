//! A convolution's Hessian block in a network that is linear between kinks.
//!
//! Over the unfolded input a convolution is a dense layer that sees a row of patches for each position, and a sample's
//! Jacobian is the sum over its positions. With the factor N_i (C x out at each of T positions) and the patches U_i
//! (T x in 3 3, with a column of ones) the block is (1/B) sum_i F_i^T F_i, where F_i v = sum over positions of N_i V u_i.

use tch::{Kind, Tensor};
use trainability_baselines::convolution::unfold;
use trainability_baselines::for_float;
use trainability_baselines::lanczos::SymmetricOperator;

use super::gauss_newton::{as_matrix, as_vector, pull, push};

/// The block itself, acting on the layer's weight (row-major) followed by its bias.
pub struct PatchSide {
    /// B x C x (T out).
    factor: Tensor,
    /// (B T) x (in 3 3 + 1), the last column of ones.
    patches: Tensor,
    units: i64,
}

impl PatchSide {
    /// From the layer's input (B x in x H x W) and its factor (B x C x out x H' x W').
    pub fn new(input: &Tensor, factor: &Tensor) -> PatchSide {
        let patches = unfold(input).transpose(1, 2).flatten(0, 1);
        let ones = Tensor::ones([patches.size()[0], 1], (patches.kind(), tch::Device::Cpu));
        PatchSide {
            factor: factor.flatten(3, -1).transpose(2, 3).flatten(2, 3).contiguous(),
            patches: Tensor::cat(&[patches, ones], 1),
            units: factor.size()[2],
        }
    }
}

impl SymmetricOperator for PatchSide {
    fn size(&self) -> i64 {
        self.units * self.patches.size()[1]
    }

    fn kind(&self) -> Kind {
        self.factor.kind()
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        let change = self.patches.mm(&as_matrix(vector, self.units).tr());
        let logits = for_float!(vector, push(&self.factor, &change));
        let pulled = for_float!(vector, pull(&self.factor, &logits));
        let samples = self.factor.size()[0] as f64;
        as_vector(&(pulled.view([-1, self.units]).tr().mm(&self.patches) / samples))
    }
}
