//! ReDo (Sokar et al., arXiv 2302.12902): dormant units are recycled.
//!
//! A unit's score is its mean |h| over samples divided by the mean of that over the units of its layer; it is dormant
//! at a score of at most `threshold`. h is taken after the activation, on the first `samples` images of the task; a
//! CReLU unit's |h| is the sum of its two features, which is |z|. In a layer that passes on nothing all units are
//! dormant. A channel of a convolution is one unit, its |h| taken over images and positions. What becomes of a dormant unit
//! is [`units::replace`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::period::Period;
use super::units::{self, by_unit, means};
use super::{Intervention, Network, Surgery};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::Layer;
use trainability_tensor::state::Stateful;

/// `redo`: recycles dormant units.
pub(crate) const PART: Part = Part::of::<Redo>("redo", "dormant units are drawn anew, their outgoing weights zeroed");

/// Recycles dormant units from time to time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Redo {
    /// tau: units with a score up to this are dormant.
    pub threshold: f64,
    /// How often: once a `task`, or after every so many updates.
    pub period: Period,
    /// The most images over which |h| is averaged.
    pub samples: usize,
}

impl Default for Redo {
    fn default() -> Self {
        Redo { threshold: 0.1, period: Period::TASK, samples: 1024 }
    }
}

impl PartOptions for Redo {
    fn build(self) -> Result<Contribution, OptionError> {
        check("threshold", self.threshold, (0.0..1.0).contains(&self.threshold), "at least 0 and below 1")?;
        check("samples", self.samples, self.samples > 0, "at least 1")?;
        self.period.check()?;
        Ok(Contribution::Surgery(Box::new(self)))
    }
}

/// The units whose activity is at most `threshold` times the layer's mean.
pub(crate) fn dormant(activity: &[f64], threshold: f64) -> Vec<i64> {
    let mean = activity.iter().sum::<f64>() / activity.len() as f64;
    let chosen = activity.iter().enumerate().filter(|(_, activity)| **activity <= threshold * mean);
    chosen.map(|(unit, _)| unit as i64).collect()
}

impl Redo {
    fn operate(self, network: &mut dyn Network) {
        let activations = network.hidden_activations(self.samples);
        let choose = |(activations, layer): (&Tensor, &Layer)| {
            let width = layer.units();
            let features = network.activation().features(width);
            dormant(&by_unit(&means(&activations.abs(), features), width as usize), self.threshold)
        };
        let chosen: Vec<Vec<i64>> = activations.iter().zip(network.layers()).map(choose).collect();
        units::replace(network, &chosen);
    }
}

impl Surgery for Redo {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Replacement
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if self.period.is_due_at_task(task) {
            self.operate(network);
        }
    }

    fn after_update(&mut self, update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        if self.period.is_due_after(update) {
            self.operate(network);
        }
    }
}

impl Stateful for Redo {}
