//! How evenly units switch on and off.

use tch::Kind;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct UnitSignEntropy;

impl Indicator for UnitSignEntropy {
    fn definition(&self) -> Definition {
        Definition {
            name: "unit_sign_entropy",
            title: "unit-sign entropy",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::Low),
            text: "entropy in nats of the sign of what enters the activation over the probe batch, mean over units, then over hidden layers (in a convolution a unit is a channel, looked at on all positions)",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for UnitSignEntropy {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let layer = observation.hidden_layer(index)?;
        let positive =
            layer.map.by_unit(layer.activation_input()).gt(0.0).to_kind(Kind::Double).mean_dim(0, false, Kind::Double);
        let negative = positive.ones_like() - &positive;
        // xlogy takes 0 ln 0 as 0: a unit that never switches has no entropy.
        let entropy = -(positive.xlogy(&positive) + negative.xlogy(&negative));
        Some(entropy.mean(Kind::Double).double_value(&[]))
    }
}
