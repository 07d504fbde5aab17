//! Continual backpropagation (Dohare et al., arXiv 2306.13812): at all times, the hidden units of least use are replaced
//! by fresh ones, a small share of them at each update.
//!
//! A unit's utility at an update is the mean |w| of its outgoing weights times its mean |h| over the minibatch (summed
//! over its two features with CReLU). h is taken after the activation in the update's forward pass, the weights after
//! the step. What counts is the moving average of the utility since the unit began, bias-corrected by its age. Before a
//! unit goes, what it passed on to the next layer on average goes into that layer's bias.
//!
//! A channel of a convolution is one unit: its means are over images and positions, and over all outgoing weights. What
//! it passed on is then taken as if it had its mean at every position, with all taps of a filter inside the image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::units::{self, by_feature, by_unit, features_of, means};
use super::{Intervention, Network, Surgery};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::state::{State, StateError, Stateful};
use trainability_tensor::{Layer, Role};

/// `continual_backprop`: replaces the units of least utility.
pub(crate) const PART: Part =
    Part::of::<ContinualBackpropOptions>("continual_backprop", "at each update, a few units of least use are replaced");

/// Options of `continual_backprop`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ContinualBackpropOptions {
    /// The share of a layer's mature units that is replaced at each update; fractions add up.
    pub rate: f64,
    /// Units older than this many updates are mature.
    pub maturity: u64,
    /// Decay rate of the moving averages.
    pub decay: f64,
}

impl Default for ContinualBackpropOptions {
    fn default() -> Self {
        ContinualBackpropOptions { rate: 1e-4, maturity: 100, decay: 0.99 }
    }
}

impl PartOptions for ContinualBackpropOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        check("rate", self.rate, self.rate > 0.0 && self.rate <= 1.0, "above 0 and at most 1")?;
        check("decay", self.decay, (0.0..1.0).contains(&self.decay), "at least 0 and below 1")?;
        Ok(Contribution::Surgery(Box::new(ContinualBackprop { options: self, layers: Vec::new() })))
    }
}

/// Replaces units, and remembers what each is of use for.
#[derive(Debug)]
pub(crate) struct ContinualBackprop {
    options: ContinualBackpropOptions,
    /// One for each hidden layer; none before the first update.
    layers: Vec<UnitRecords>,
}

/// What is known of the units of one layer.
#[derive(Debug, Default)]
struct UnitRecords {
    /// Updates since each unit began.
    ages: Vec<u64>,
    /// The moving average of each unit's utility, not yet corrected for its age.
    utility: Vec<f64>,
    /// The same of each feature's mean h.
    activation: Vec<f64>,
    /// Replacements that are due, the fraction left over from earlier updates.
    due: f64,
}

impl UnitRecords {
    fn of(units: usize, features: usize) -> UnitRecords {
        UnitRecords { ages: vec![0; units], utility: vec![0.0; units], activation: vec![0.0; features], due: 0.0 }
    }

    /// Takes in an update: what the layer passed on and the next layer's weight, whose second dimensions
    /// are the layer's features.
    fn observe(&mut self, activations: &Tensor, next: &Tensor, decay: f64) {
        let features = self.activation.len() as i64;
        let magnitudes = means(&activations.abs(), features);
        let outgoing = means(&next.abs(), features);
        let products: Vec<f64> = magnitudes.iter().zip(&outgoing).map(|(h, w)| h * w).collect();
        let utility = by_unit(&products, self.ages.len());
        self.ages.iter_mut().for_each(|age| *age += 1);
        let average = |(old, new): (&mut f64, f64)| *old = decay * *old + (1.0 - decay) * new;
        self.utility.iter_mut().zip(utility).for_each(average);
        self.activation.iter_mut().zip(means(activations, features)).for_each(average);
    }

    /// What an average of a unit has to be divided by: the weights of all its values so far.
    fn correction(&self, unit: usize, decay: f64) -> f64 {
        1.0 - decay.powf(self.ages[unit] as f64)
    }

    /// The mature units that go now, those of least utility; of equal ones the first.
    fn choose(&mut self, options: ContinualBackpropOptions) -> Vec<i64> {
        let mature = (0..self.ages.len()).filter(|&unit| self.ages[unit] > options.maturity);
        let mut ranked: Vec<(f64, usize)> =
            mature.map(|unit| (self.utility[unit] / self.correction(unit, options.decay), unit)).collect();
        self.due += options.rate * ranked.len() as f64;
        let count = self.due.floor();
        self.due -= count;
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        ranked.iter().take(count as usize).map(|&(_, unit)| unit as i64).collect()
    }

    /// The average of each feature of a unit.
    fn mean_features(&self, unit: i64, decay: f64) -> Vec<f64> {
        let correction = self.correction(unit as usize, decay);
        self.features(unit).map(|feature| self.activation[feature as usize] / correction).collect()
    }

    fn features(&self, unit: i64) -> impl Iterator<Item = i64> + use<> {
        features_of(unit, self.ages.len() as i64, self.activation.len() as i64)
    }

    fn forget(&mut self, unit: i64) {
        self.ages[unit as usize] = 0;
        self.utility[unit as usize] = 0.0;
        self.features(unit).for_each(|feature| self.activation[feature as usize] = 0.0);
    }
}

impl ContinualBackprop {
    /// Adds to the next layer's bias what the units passed on on average, since their outgoing weights will be 0.
    fn compensate(&self, layer: usize, units: &[i64], network: &mut dyn Network) {
        let records = &self.layers[layer];
        let features: Vec<i64> = units.iter().flat_map(|&unit| records.features(unit)).collect();
        let means: Vec<f64> = units.iter().flat_map(|&unit| records.mean_features(unit, self.options.decay)).collect();
        let next = &mut network.layers_mut()[layer + 1];
        let _guard = tch::no_grad_guard();
        let outgoing = by_feature(next.weight(), records.activation.len() as i64);
        let device = outgoing.device();
        let outgoing = outgoing.index_select(1, &Tensor::from_slice(&features).to_device(device));
        let outgoing = outgoing.sum_dim_intlist([2i64].as_slice(), false, Kind::Double);
        let passed_on = outgoing.mv(&Tensor::from_slice(&means).to_device(device));
        if let Some(bias) = next.parameter_mut(Role::Bias) {
            let _ = bias.g_add_(&passed_on.to_kind(bias.kind()));
        }
    }
}

impl Surgery for ContinualBackprop {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Replacement
    }

    fn after_update(&mut self, _update: u64, activations: &[Tensor], network: &mut dyn Network) {
        let options = self.options;
        if self.layers.is_empty() {
            let of = |layer: &Layer| {
                let units = layer.units();
                UnitRecords::of(units as usize, network.activation().features(units) as usize)
            };
            self.layers = network.layers()[..activations.len()].iter().map(of).collect();
        }
        for (layer, (records, activations)) in self.layers.iter_mut().zip(activations).enumerate() {
            records.observe(activations, &network.layers()[layer + 1].weight().detach(), options.decay);
        }
        let chosen: Vec<Vec<i64>> = self.layers.iter_mut().map(|records| records.choose(options)).collect();
        if chosen.iter().all(Vec::is_empty) {
            return;
        }
        for (layer, units) in chosen.iter().enumerate().filter(|(_, units)| !units.is_empty()) {
            self.compensate(layer, units, network);
        }
        units::replace(network, &chosen);
        for (records, units) in self.layers.iter_mut().zip(&chosen) {
            units.iter().for_each(|&unit| records.forget(unit));
        }
    }
}

impl Stateful for ContinualBackprop {
    fn save(&self, state: &mut State) {
        state.put_value("layers", &self.layers.len());
        for (layer, records) in self.layers.iter().enumerate() {
            state.put_part(&format!("layer{layer}"), records);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.layers.clear();
        // Layer by layer, so that a number which nothing follows takes no memory.
        for layer in 0..state.value("layers")? {
            let mut records = UnitRecords::default();
            state.restore_part(&format!("layer{layer}"), &mut records)?;
            self.layers.push(records);
        }
        Ok(())
    }
}

impl Stateful for UnitRecords {
    fn save(&self, state: &mut State) {
        state.put_value("ages", &self.ages);
        state.put_numbers("utility", &self.utility);
        state.put_numbers("activation", &self.activation);
        state.put_numbers("due", &[self.due]);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.ages = state.value("ages")?;
        self.utility.resize(self.ages.len(), 0.0);
        state.numbers_into("utility", &mut self.utility)?;
        self.activation = state.numbers("activation")?;
        let (units, features) = (self.ages.len(), self.activation.len());
        if units == 0 || features == 0 || features % units != 0 {
            let (found, expected) = (format!("{features} features of {units} units"), "as many of each unit");
            return Err(StateError::mismatch("activation", found, expected));
        }
        state.numbers_into("due", std::slice::from_mut(&mut self.due))
    }
}
