//! The normalisation between a hidden layer's linear map and its activation.

use tch::Tensor;
use trainability_baselines::NormalisedTrace;
use trainability_baselines::normalization::{Normalization, Pass};

use super::{Network, TrainingPass};

impl Network {
    /// The normalisation of the hidden layers, if there is one.
    pub fn normalization(&self) -> Option<&dyn Normalization> {
        self.normalization.as_deref()
    }

    /// Lets the normalisation remember what it has to of an update's pass: the one thing that a pass leaves in a network.
    /// Once for each update; measuring leaves it out.
    pub fn follow(&mut self, pass: &TrainingPass) {
        let Some(normalization) = &mut self.normalization else { return };
        for (layer, pre_activation) in pass.hidden_pre_activations().enumerate() {
            normalization.follow(layer, pre_activation);
        }
    }

    /// Forgets what the normalisation knows of some units of a hidden layer.
    pub fn restart_normalization(&mut self, layer: usize, units: &[i64]) {
        if let Some(normalization) = &mut self.normalization {
            normalization.restart_units(layer, units);
        }
    }

    /// What becomes of a layer's pre-activation (B x out) before the activation; nothing in the output layer.
    pub(super) fn normalise(&self, layer: usize, pre_activation: &Tensor, pass: Pass) -> Option<NormalisedTrace> {
        let normalization = self.normalization.as_ref()?;
        let (gain, shift) = self.layers[layer].gain_and_shift()?;
        let standardised = normalization.standardise(layer, pre_activation, pass);
        let output = &standardised * gain + shift;
        Some(NormalisedTrace { standardised, output, couples_samples: normalization.couples_samples() })
    }
}
