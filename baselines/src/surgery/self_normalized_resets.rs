//! Self-normalised resets (SNR; Farias and Jozefiak, arXiv 2410.20098): a unit is replaced when it has been silent for longer
//! than is likely by its own record.
//!
//! A unit fires at an update if it passes on something other than 0 for a sample of the minibatch (at a position, if it is a
//! channel). What is kept of it is how many updates lay between firings. It is replaced when its present silence is longer than
//! all but a share eta of those: with eta = .02, of fifty gaps at most one was longer. Before a unit has 1 / eta gaps of its own
//! its layer's together stand for them, so that a unit that never fired has something to be measured by; a layer with fewer than
//! 1 / eta replaces nobody. A fresh unit has an empty record. What becomes of a unit is [`units::replace`].
//!
//! Units of `tanh`, `identity`, `leaky_relu`, `crelu` and `deep_fourier` pass on something for nearly every sample, and are never
//! replaced.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::units::{self, by_feature, by_unit};
use super::{Intervention, Network, Surgery};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::Layer;
use trainability_tensor::state::{State, StateError, Stateful};

/// `self_normalized_resets`: replaces units that are silent for unusually long.
pub(crate) const PART: Part = Part::of::<SelfNormalizedResetsOptions>(
    "self_normalized_resets",
    "a unit that is silent for longer than its record makes likely is drawn anew",
);

/// Options of `self_normalized_resets`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SelfNormalizedResetsOptions {
    /// eta: the share of a unit's gaps that may be longer than the silence for which it is replaced.
    pub rejection: f64,
}

impl Default for SelfNormalizedResetsOptions {
    fn default() -> Self {
        SelfNormalizedResetsOptions { rejection: 0.02 }
    }
}

impl PartOptions for SelfNormalizedResetsOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        let inside = self.rejection > 0.0 && self.rejection < 1.0;
        check("rejection", self.rejection, inside, "above 0 and below 1")?;
        let own = SelfNormalizedResets { rejection: self.rejection, layers: Vec::new() };
        Ok(Contribution::Surgery(Box::new(own)))
    }
}

/// Replaces units, and remembers when they fired.
#[derive(Debug)]
struct SelfNormalizedResets {
    rejection: f64,
    /// One for each hidden layer.
    layers: Vec<FiringRecords>,
}

/// How many gaps of each length there were, in updates.
type Gaps = BTreeMap<u64, u64>;

/// When the units of one layer fired.
#[derive(Debug, Default)]
struct FiringRecords {
    /// Updates since each unit fired last, or began.
    silence: Vec<u64>,
    /// The gaps of each unit since it began.
    own: Vec<Gaps>,
    /// Those of all units of the layer, replaced ones included.
    pooled: Gaps,
}

/// The shortest silence at which at most a share of the gaps are longer; none of too few gaps.
fn threshold(gaps: &Gaps, rejection: f64) -> Option<u64> {
    let count: u64 = gaps.values().sum();
    if (count as f64) < rejection.recip() {
        return None;
    }
    let mut longer = count;
    gaps.iter()
        .map(|(gap, times)| {
            longer -= times;
            (*gap, longer)
        })
        .find(|(_, longer)| *longer as f64 <= rejection * count as f64)
        .map(|(gap, _)| gap)
}

impl FiringRecords {
    fn of(units: usize) -> FiringRecords {
        FiringRecords { silence: vec![0; units], own: vec![Gaps::new(); units], pooled: Gaps::new() }
    }

    /// Takes in which units fired at an update.
    fn observe(&mut self, fired: &[bool]) {
        for ((silence, own), &fired) in self.silence.iter_mut().zip(&mut self.own).zip(fired) {
            *silence += 1;
            if fired {
                *own.entry(*silence).or_default() += 1;
                *self.pooled.entry(*silence).or_default() += 1;
                *silence = 0;
            }
        }
    }

    /// The units that are replaced now, whose records begin anew.
    fn choose(&mut self, rejection: f64) -> Vec<i64> {
        let pooled = threshold(&self.pooled, rejection);
        let is_over = |unit: &usize| {
            let most = threshold(&self.own[*unit], rejection).or(pooled);
            most.is_some_and(|most| self.silence[*unit] > most)
        };
        let chosen: Vec<usize> = (0..self.own.len()).filter(is_over).collect();
        for &unit in &chosen {
            self.silence[unit] = 0;
            self.own[unit].clear();
        }
        chosen.into_iter().map(|unit| unit as i64).collect()
    }
}

/// Whether each unit passed something on, from B x features or what a convolution passes on.
fn fired(activations: &Tensor, features: i64, units: usize) -> Vec<bool> {
    let any = by_feature(&activations.ne(0.0), features).any_dims([0i64, 2].as_slice(), false);
    let of_features = Vec::<f64>::try_from(any.to_kind(Kind::Double)).expect("a vector of f64");
    by_unit(&of_features, units).into_iter().map(|of_unit| of_unit > 0.0).collect()
}

impl Surgery for SelfNormalizedResets {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Replacement
    }

    fn begin(&mut self, layers: &[Layer]) {
        let hidden = &layers[..layers.len().saturating_sub(1)];
        self.layers = hidden.iter().map(|layer| FiringRecords::of(layer.units() as usize)).collect();
    }

    fn after_update(&mut self, _update: u64, activations: &[Tensor], network: &mut dyn Network) {
        let mut chosen = Vec::new();
        for (records, activations) in self.layers.iter_mut().zip(activations) {
            let units = records.own.len();
            records.observe(&fired(activations, network.activation().features(units as i64), units));
            chosen.push(records.choose(self.rejection));
        }
        if chosen.iter().any(|units| !units.is_empty()) {
            units::replace(network, &chosen);
        }
    }
}

impl Stateful for SelfNormalizedResets {
    fn save(&self, state: &mut State) {
        for (layer, records) in self.layers.iter().enumerate() {
            state.put_part(&format!("layer{layer}"), records);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let mut layers = self.layers.iter_mut().enumerate();
        layers.try_for_each(|(layer, records)| state.restore_part(&format!("layer{layer}"), records))
    }
}

impl Stateful for FiringRecords {
    fn save(&self, state: &mut State) {
        state.put_value("silence", &self.silence);
        state.put_value("own", &self.own);
        state.put_value("pooled", &self.pooled);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let units = self.own.len();
        (self.silence, self.own) = (state.value("silence")?, state.value("own")?);
        self.pooled = state.value("pooled")?;
        for (name, found) in [("silence", self.silence.len()), ("own", self.own.len())] {
            if found != units {
                return Err(StateError::mismatch(name, format!("of {found} units"), format!("of {units}")));
            }
        }
        Ok(())
    }
}
