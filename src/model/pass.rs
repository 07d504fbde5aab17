//! A forward pass, and what the layers leave behind in it.

use tch::Tensor;
use trainability_baselines::normalization::{Mode, Normalization};
use trainability_tensor::{Layer, LayerTrace, NormalisedTrace};

/// A forward pass through a model. The model sends its values through the layers by means of the pass, which keeps their
/// inputs and outputs when they are asked for and costs nothing when they are not.
#[derive(Debug)]
pub struct Pass {
    mode: Mode,
    records: bool,
    /// A layer's name, and the pre-activation that is taken in the place of its own.
    replaced: Option<(String, Tensor)>,
    trace: Vec<(String, LayerTrace)>,
}

impl Pass {
    fn new(mode: Mode, records: bool) -> Pass {
        Pass { mode, records, replaced: None, trace: Vec::new() }
    }

    /// As an update sees the network, with a normalisation over the minibatch; layers leave a trace.
    pub fn training() -> Pass {
        Pass::new(Mode::Training, true)
    }

    /// As the network is used; layers leave a trace.
    pub fn evaluation() -> Pass {
        Pass::new(Mode::Evaluation, true)
    }

    /// The same pass without a trace.
    pub fn without_trace(self) -> Pass {
        Pass { records: false, ..self }
    }

    /// The same pass with this tensor, B x out, in the place of a layer's pre-activation: what lies above it becomes a
    /// function of it.
    pub(crate) fn with_pre_activation(self, layer: &Layer, pre_activation: Tensor) -> Pass {
        Pass { replaced: Some((layer.name.clone(), pre_activation)), ..self }
    }

    /// A layer's linear map. In one pass a layer is used once.
    ///
    /// # Panics
    /// The layer has been used before, while traces are kept.
    pub fn layer(&mut self, layer: &Layer, input: &Tensor) -> Tensor {
        let pre_activation = match &self.replaced {
            Some((name, replacement)) if *name == layer.name => replacement.shallow_clone(),
            _ => layer.forward(input),
        };
        if self.records {
            assert!(self.trace.iter().all(|(name, _)| *name != layer.name), "{} is used twice in a pass", layer.name);
            let trace = LayerTrace {
                map: layer.map,
                input: input.shallow_clone(),
                pre_activation: pre_activation.shallow_clone(),
                normalised: None,
                features: None,
            };
            self.trace.push((layer.name.clone(), trace));
        }
        pre_activation
    }

    /// A hidden layer: its linear map, and an activation after it. In one pass a layer is used once.
    ///
    /// # Panics
    /// As [`Pass::layer`].
    pub fn hidden_layer(
        &mut self,
        layer: &Layer,
        input: &Tensor,
        activation: impl FnOnce(&Tensor) -> Tensor,
    ) -> Tensor {
        let pre_activation = self.layer(layer, input);
        self.hidden(layer, activation(&pre_activation))
    }

    /// What a normalisation, and then the layer's gain and shift, make of its pre-activation (B x out). `index` is the layer's
    /// place in what the normalisation has begun with.
    ///
    /// # Panics
    /// The layer has no gain and shift.
    pub(crate) fn normalise(
        &mut self,
        layer: &Layer,
        normalization: &dyn Normalization,
        index: usize,
        pre_activation: &Tensor,
    ) -> Tensor {
        let (gain, shift) = layer.gain_and_shift().expect("a layer that is normalised has a gain and a shift");
        let standardised = normalization.standardise(index, pre_activation, self.mode);
        let output = &standardised * gain + shift;
        if let Some(trace) = self.trace_of(layer) {
            let couples_samples = normalization.couples_samples();
            trace.normalised = Some(NormalisedTrace { standardised, output: output.shallow_clone(), couples_samples });
        }
        output
    }

    /// Tells what a hidden layer passes on after its activation, and returns it.
    pub fn hidden(&mut self, layer: &Layer, features: Tensor) -> Tensor {
        if let Some(trace) = self.trace_of(layer) {
            trace.features = Some(features.shallow_clone());
        }
        features
    }

    fn trace_of(&mut self, layer: &Layer) -> Option<&mut LayerTrace> {
        self.trace.iter_mut().rev().find(|(name, _)| *name == layer.name).map(|(_, trace)| trace)
    }

    /// What was left behind, in the order of `layers`.
    ///
    /// # Panics
    /// No trace was kept, or a layer was not used.
    pub fn into_trace(mut self, layers: &[Layer]) -> Vec<LayerTrace> {
        let of = |layer: &Layer| {
            let place = self.trace.iter().position(|(name, _)| *name == layer.name);
            let place = place.unwrap_or_else(|| panic!("{} leaves no trace in the pass", layer.name));
            self.trace.swap_remove(place).1
        };
        layers.iter().map(of).collect()
    }
}
