//! Units that do next to nothing, by the measure of ReDo (Sokar et al., arXiv 2302.12902).

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;
use crate::surgery::redo::dormant;
use crate::surgery::units::{by_unit, means};

/// The share of dormant units at some threshold. See the definitions.
pub(crate) struct DormantUnits {
    name: &'static str,
    title: &'static str,
    text: &'static str,
    /// tau: units with a score up to this are dormant.
    threshold: f64,
}

macro_rules! at {
    ($name:literal, $threshold:literal) => {
        DormantUnits {
            name: $name,
            title: concat!("dormant units (", $threshold, ")"),
            text: concat!(
                "share of the hidden units whose mean |h| over the probe batch is at most ",
                $threshold,
                " of the mean of that over the units of their layer: the tau-dormant units of Sokar et al., arXiv 2302.12902, scored as by the method redo (crelu: |h| is the sum over both halves; a convolution's unit is a channel, over all positions)"
            ),
            threshold: $threshold,
        }
    };
}

/// At tau = 0.01.
pub(crate) const AT_0_01: DormantUnits = at!("dormant_units_0_01", 0.01);
/// At tau = 0.025.
pub(crate) const AT_0_025: DormantUnits = at!("dormant_units_0_025", 0.025);
/// At tau = 0.1.
pub(crate) const AT_0_1: DormantUnits = at!("dormant_units_0_1", 0.1);

impl DormantUnits {
    /// How many units of a hidden layer are dormant, and how many there are.
    fn count(&self, observation: &Observation, index: usize) -> Option<(usize, usize)> {
        let layer = observation.hidden_layer(index)?;
        let features = layer.map.by_unit(layer.features.as_ref()?).abs();
        let units = layer.map.by_unit(layer.activation_input()).size()[1] as usize;
        let activity = by_unit(&means(&features, features.size()[1]), units);
        Some((dormant(&activity, self.threshold).len(), units))
    }
}

impl Indicator for DormantUnits {
    fn definition(&self) -> Definition {
        Definition {
            name: self.name,
            title: self.title,
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::High),
            text: self.text,
        }
    }

    fn when(&self) -> When {
        When::TaskEnd
    }

    /// Over the units of all hidden layers.
    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let counts = observation.hidden().map(|(index, _)| self.count(observation, index));
        let (dormant, units): (Vec<usize>, Vec<usize>) = counts.collect::<Option<Vec<_>>>()?.into_iter().unzip();
        let units = units.iter().sum::<usize>();
        (units > 0).then(|| dormant.iter().sum::<usize>() as f64 / units as f64)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for DormantUnits {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        self.count(observation, index).map(|(dormant, units)| dormant as f64 / units as f64)
    }
}
