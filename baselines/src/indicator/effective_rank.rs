//! How many directions the hidden activations use.

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct EffectiveRank;

impl Indicator for EffectiveRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "effective_rank",
            title: "effective rank",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "exponential of the entropy of the normalised singular values of the hidden activations on the probe batch (Roy and Vetterli 2007), mean over hidden layers (in a convolution the activations of all positions are one row)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for EffectiveRank {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        exponential_entropy(observation.singular_values(index)?)
    }
}

/// exp of the entropy of the normalised values (docs/method.md, equation (37)); undefined where all are zero.
pub(super) fn exponential_entropy(values: &[f64]) -> Option<f64> {
    let total: f64 = values.iter().sum();
    let shares = values.iter().map(|value| value / total).filter(|share| *share > 0.0);
    (total > 0.0).then(|| shares.map(|share| -share * share.ln()).sum::<f64>().exp())
}
