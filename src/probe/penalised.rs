//! A layer's block with a penalty on the weight's largest singular value beside the Gauss-Newton part.
//!
//! The penalty's Hessian answers a direction X of the weight by p v^T + u x^T, where p and x follow from X v and X^T u
//! alone. The block therefore lives on directions F^T y + p v^T + u x^T, and is A M A^T with A the map from (y, p, x) to
//! such a direction and M = diag(1/B, penalty): its nonzero eigenvalues are those of M A^T A, a matrix of
//! B C + out + in rows.

use tch::{Device, Kind, Tensor};
use trainability_baselines::penalty::Curvature;
use trainability_baselines::penalty::curvature::SpectralNormCurvature;
use trainability_tensor::lanczos::SymmetricOperator;

use super::gauss_newton::{pull, push};

/// M A^T A: shares its nonzero eigenvalues with the block, acts on B C + out + in numbers.
pub(crate) struct PenalisedSampleSide<'a> {
    penalty: &'a SpectralNormCurvature,
    input: &'a Tensor,
    factor: &'a Tensor,
    /// a_i . a_j + 1.
    gram: Tensor,
    /// a_i . v.
    along: Tensor,
}

impl<'a> PenalisedSampleSide<'a> {
    /// From the layer's inputs (B x in), its factor (B x C x out) and the penalty's Hessian.
    pub(super) fn new(
        input: &'a Tensor,
        factor: &'a Tensor,
        penalty: &'a SpectralNormCurvature,
    ) -> PenalisedSampleSide<'a> {
        let gram = input.mm(&input.tr()) + 1.0;
        PenalisedSampleSide { penalty, input, factor, gram, along: input.mv(&penalty.right) }
    }

    fn split(&self, vector: &Tensor) -> [Tensor; 3] {
        let (samples, classes, units) = self.factor.size3().expect("B x C x out");
        let parts = vector.split_with_sizes([samples * classes, units, self.input.size()[1]], 0);
        parts.try_into().expect("three sizes")
    }
}

impl SymmetricOperator for PenalisedSampleSide<'_> {
    fn size(&self) -> i64 {
        self.factor.size()[0] * self.factor.size()[1] + self.factor.size()[2] + self.input.size()[1]
    }

    fn options(&self) -> (Kind, Device) {
        (self.factor.kind(), self.factor.device())
    }

    /// M.
    fn apply(&self, image: &Tensor) -> Tensor {
        let [logits, along_right, along_left] = self.split(image);
        let (p, x) = self.penalty.respond(&along_right, &along_left);
        Tensor::cat(&[logits / self.factor.size()[0] as f64, p, x], 0)
    }

    /// A^T A: what F, v and u make of the direction X that (y, p, x) stands for.
    fn inner(&self, vector: &Tensor) -> Option<Tensor> {
        let [y, p, x] = self.split(vector);
        let (u, v) = (&self.penalty.left, &self.penalty.right);
        let pulled = pull(self.factor, &y);
        let change = self.gram.mm(&pulled) + self.along.outer(&p) + self.input.mv(&x).outer(u);
        let logits = push(self.factor, &change);
        let along_right = pulled.tr().mv(&self.along) + &p + u * x.dot(v);
        let along_left = self.input.tr().mv(&pulled.mv(u)) + v * p.dot(u) + &x;
        Some(Tensor::cat(&[logits, along_right, along_left], 0))
    }
}

/// The block itself, acting on the layer's parameters.
pub(crate) struct PenalisedParameterSide<'a, Block> {
    /// The cross-entropy's part.
    pub block: Block,
    /// The penalty's part.
    pub penalty: &'a Curvature,
}

impl<Block: SymmetricOperator> SymmetricOperator for PenalisedParameterSide<'_, Block> {
    fn size(&self) -> i64 {
        self.block.size()
    }

    fn options(&self) -> (Kind, Device) {
        self.block.options()
    }

    fn apply(&self, vector: &Tensor) -> Tensor {
        self.block.apply(vector) + self.penalty.product(vector)
    }
}
