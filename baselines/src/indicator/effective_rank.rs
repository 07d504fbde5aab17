//! How many directions the hidden activations use.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::{Definition, Indicator, Observation, Role, When};

/// See the definition.
pub struct EffectiveRank;

impl Indicator for EffectiveRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "effective_rank",
            title: "effective rank",
            role: Role::Compared,
            text: "exponential of the entropy of the normalised singular values of the hidden activations on the probe batch (Roy and Vetterli 2007), mean over hidden layers",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let ranks: Option<Vec<f64>> =
            observation.hidden().iter().map(|l| rank(&observation.activation.forward(&l.pre_activation))).collect();
        let ranks = ranks?;
        (!ranks.is_empty()).then(|| ranks.iter().sum::<f64>() / ranks.len() as f64)
    }
}

/// exp of the entropy of the normalised singular values; undefined for a matrix of zeros.
fn rank(activations: &Tensor) -> Option<f64> {
    let spectrum = activations.to_kind(Kind::Double).svd(true, false).1;
    let total = spectrum.sum(Kind::Double).double_value(&[]);
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let shares = spectrum / total;
    Some((-shares.xlogy(&shares).sum(Kind::Double)).exp().double_value(&[]))
}
