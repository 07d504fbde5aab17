//! Features that no sample switches on.

use tch::Kind;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct DeadUnits;

impl Indicator for DeadUnits {
    fn definition(&self) -> Definition {
        Definition {
            name: "dead_units",
            title: "dead units",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: "share of hidden features that are zero on the whole probe batch (crelu: each half of a unit counts; in a convolution a unit is a channel, looked at on all positions), mean over hidden layers",
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for DeadUnits {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let layer = observation.hidden_layer(index)?;
        let active = layer.map.by_unit(layer.features.as_ref()?).gt(0.0).any_dim(0, false);
        Some(1.0 - active.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]))
    }
}
