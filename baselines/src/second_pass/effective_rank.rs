//! A high effective rank of the features (He et al., arXiv 2509.22335), which that paper adds to L2: its L2-ER, against the
//! collapse of the Hessian's spectrum.
//!
//! The effective rank of a hidden layer's activations over the minibatch (B x features) is exp(H) with the entropy H of its
//! singular values divided by their sum (Roy and Vetterli, 2007). The loss is lowered by its mean over hidden layers.
//!
//! The term depends on the minibatch, and joins after the measurement, as a weight decay in the optimizer does: g_hat and the
//! curvature are without it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_tensor::Gradients;

use super::{MinibatchGradients, SecondPass};
use crate::options::{OptionError, check_coefficient, check_positive};
use crate::part::{Contribution, Part, PartOptions};
use crate::penalty::l2_loss::L2Loss;

/// `l2_er`: L2 in the loss and a reward for features of high effective rank.
pub(crate) const PART: Part =
    Part::of::<L2EffectiveRank>("l2_er", "sum of squares in the loss, less the effective rank of hidden activations");

/// Options of `l2_er`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct L2EffectiveRank {
    /// lambda of the sum of squares.
    pub coefficient: f64,
    /// The weight of the mean effective rank, by which the loss is lowered.
    pub rank_coefficient: f64,
}

impl Default for L2EffectiveRank {
    fn default() -> Self {
        L2EffectiveRank { coefficient: 1e-3, rank_coefficient: 0.01 }
    }
}

impl PartOptions for L2EffectiveRank {
    fn build(self) -> Result<Contribution, OptionError> {
        check_coefficient(self.coefficient)?;
        check_positive("rank_coefficient", self.rank_coefficient)?;
        let rank = RankReward { coefficient: self.rank_coefficient };
        Ok(Contribution::Several(vec![
            Contribution::Penalty(Box::new(L2Loss::of(self.coefficient))),
            Contribution::SecondPass(Box::new(rank)),
        ]))
    }
}

/// - coefficient * mean over hidden layers of the effective rank.
#[derive(Clone, Copy, Debug)]
struct RankReward {
    coefficient: f64,
}

impl SecondPass for RankReward {
    fn change(&self, _cross_entropy: &Gradients, minibatch: &mut dyn MinibatchGradients) -> Gradients {
        minibatch.feature_gradients(&|features| {
            let ranks: Vec<Tensor> = features.iter().map(effective_rank).collect();
            Tensor::stack(&ranks, 0).mean(features[0].kind()) * -self.coefficient
        })
    }
}

/// exp of the entropy of the singular values over their sum, with its graph. A value that is zero adds nothing, and neither does
/// its gradient: of singular values that are equal or zero the vectors are not determined.
///
/// The singular values are the square roots of the eigenvalues of the shorter side's Gram matrix, which is small, in f64.
fn effective_rank(features: &Tensor) -> Tensor {
    let matrix = features.flatten(1, -1).to_kind(Kind::Double);
    let [rows, columns] = matrix.size()[..] else { panic!("features are B x features") };
    let gram = if rows <= columns { matrix.mm(&matrix.tr()) } else { matrix.tr().mm(&matrix) };
    let (squares, vectors) = tch::no_grad(|| gram.linalg_eigh("L"));
    let largest = squares.max().double_value(&[]);
    if largest.is_nan() || largest <= 0.0 {
        // Nothing is passed on, or not a number: there is no direction that would help.
        return (features.sum(features.kind()) * 0.0).nan_to_num(0.0, 0.0, 0.0);
    }
    // A function of the eigenvalues alone has the gradient V diag(f') V^T, whatever basis V is where some are equal.
    let values = squares.clamp_min(0.0).sqrt();
    let kept = squares.gt(largest * ROUNDING);
    let total = values.where_scalarother(&kept, 0.0).sum(Kind::Double);
    let shares = (&values / &total).where_scalarother(&kept, 1.0);
    let entropy = -(&shares * shares.log()).sum(Kind::Double);
    let rank = entropy.exp();
    // d rank / d value = -rank (log share + H) / total, and d value / d square = 1 / (2 value).
    let slope = (-(shares.log() + &entropy) * &rank / (&total * 2.0) / &values).where_scalarother(&kept, 0.0);
    let at_gram = (&vectors * slope.unsqueeze(0)).mm(&vectors.tr());
    // The value of the rank with that gradient.
    let along = (gram * at_gram.detach()).sum(Kind::Double);
    let value = &along - along.detach() + rank.detach();
    value.to_kind(features.kind())
}

/// Eigenvalues of a Gram matrix below this share of the largest are rounding.
const ROUNDING: f64 = 1e-12;
