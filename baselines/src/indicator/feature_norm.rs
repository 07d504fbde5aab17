//! How large the features are that the output layer sees.

use rand_chacha::ChaCha8Rng;
use tch::Kind;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct FeatureNorm;

impl Indicator for FeatureNorm {
    fn definition(&self) -> Definition {
        Definition {
            name: "feature_norm",
            title: "feature norm",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "L2 norm of an image's activations in the last hidden layer, mean over the probe batch, at the end of the task (Moalla et al., arXiv 2405.00662, who take it before the activation)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let (last, _) = observation.hidden().last()?;
        self.measure_layer(observation, last)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for FeatureNorm {
    /// Of any hidden layer.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let features = observation.hidden_layer(index)?.features.as_ref()?.flatten(1, -1).to_kind(Kind::Double);
        let norms = features.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Double).sqrt();
        Some(norms.mean(Kind::Double).double_value(&[]))
    }
}
