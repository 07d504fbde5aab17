//! A forward pass, and what the layers leave behind in it.

use tch::Tensor;
use trainability_baselines::normalization::{Mode, Normalization};
use trainability_tensor::{Layer, LayerTrace, LinearMap, NormalisedTrace};

/// A forward pass through a model. The model sends its values through the layers by means of the pass, which keeps their
/// inputs and outputs when they are asked for and costs nothing when they are not.
#[derive(Debug)]
pub struct Pass {
    pub(super) mode: Mode,
    records: bool,
    follows: bool,
    /// A layer's name, and the pre-activation that is taken in the place of its own.
    replaced: Option<(String, Tensor)>,
    trace: Vec<(String, LayerTrace)>,
    /// The layers that the pass goes through, where they are not known yet.
    pub(super) found: Option<Found>,
}

/// Why samples are coupled.
pub(super) const OVER_MINIBATCH: &str = "a normalisation over the minibatch couples its samples";

/// What a pass goes through.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Each layer once, in the order of their first use.
    pub(super) layers: Vec<Layer>,
    /// What is remembered beside parameters: a name, and the values.
    pub(super) buffers: Vec<(String, Tensor)>,
}

impl Pass {
    fn new(mode: Mode, records: bool) -> Pass {
        Pass {
            mode,
            records,
            follows: records && mode == Mode::Training,
            replaced: None,
            trace: Vec::new(),
            found: None,
        }
    }

    /// As an update sees the network, with a normalisation over the minibatch; layers leave a trace.
    pub fn training() -> Pass {
        Pass::new(Mode::Training, true)
    }

    /// As the network is used; layers leave a trace.
    pub fn evaluation() -> Pass {
        Pass::new(Mode::Evaluation, true)
    }

    /// As the network is used, to find out what layers there are.
    pub(super) fn of_discovery() -> Pass {
        Pass { found: Some(Found::default()), ..Pass::new(Mode::Evaluation, true) }
    }

    /// The same pass without a trace.
    pub fn without_trace(self) -> Pass {
        Pass { records: false, follows: false, ..self }
    }

    /// The same pass beside that of an update: nothing is remembered of it.
    pub(crate) fn unfollowed(self) -> Pass {
        Pass { follows: false, ..self }
    }

    /// Whether this is the pass of an update, which statistics over minibatches follow.
    pub(super) fn is_followed(&self) -> bool {
        self.follows
    }

    /// The same pass with this tensor, B x out, in the place of a layer's pre-activation: what lies above it becomes a
    /// function of it.
    pub(crate) fn with_pre_activation(self, layer: &Layer, pre_activation: Tensor) -> Pass {
        Pass { replaced: Some((layer.name.clone(), pre_activation)), ..self }
    }

    /// What a layer's parameters make of its input. A layer may be used several times in a pass: its gradients are then sums
    /// over its uses, and its units are looked at where it is used first.
    pub fn layer(&mut self, layer: &Layer, input: &Tensor) -> Tensor {
        let output = self.prepared(layer, layer.map.prepare(input));
        if matches!(layer.map, LinearMap::Normalisation(rule) if rule.couples_samples()) {
            self.couple(OVER_MINIBATCH);
        }
        output
    }

    /// The same of an input that has been prepared for the layer's map.
    pub(super) fn prepared(&mut self, layer: &Layer, input: Tensor) -> Tensor {
        let pre_activation = match &self.replaced {
            Some((name, replacement)) if *name == layer.name => replacement.shallow_clone(),
            _ => layer.forward(&input),
        };
        if let Some(found) = &mut self.found {
            found.add(layer);
        }
        if self.records {
            let left = LayerTrace::new(layer.map, layer.bias().is_some(), input, pre_activation.shallow_clone());
            match self.trace_of(layer) {
                Some(first) => first.again.push(left),
                None => self.trace.push((layer.name.clone(), left)),
            }
        }
        pre_activation
    }

    /// A hidden layer: what its parameters make of its input, and an activation after it.
    pub fn hidden_layer(
        &mut self,
        layer: &Layer,
        input: &Tensor,
        activation: impl FnOnce(&Tensor) -> Tensor,
    ) -> Tensor {
        let pre_activation = self.layer(layer, input);
        self.hidden(&layer.name, activation(&pre_activation))
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
            trace.normalised = Some(NormalisedTrace { standardised, output: output.shallow_clone() });
        }
        if normalization.couples_samples() {
            self.couple(OVER_MINIBATCH);
        }
        output
    }

    /// Tells that what came so far depends on all samples together, and why.
    pub(super) fn couple(&mut self, why: &'static str) {
        for (_, trace) in &mut self.trace {
            trace.coupled = Some(why);
        }
    }

    /// Tells what the hidden layer of that name passes on after its activation, and returns it.
    pub fn hidden(&mut self, name: &str, features: Tensor) -> Tensor {
        if let Some((_, trace)) = self.trace.iter_mut().find(|(known, _)| known == name) {
            trace.features.get_or_insert_with(|| features.shallow_clone());
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

impl Found {
    /// # Panics
    /// Two layers have one name, or one weight has two names or acts in two ways.
    fn add(&mut self, layer: &Layer) {
        let same = |known: &&Layer| known.weight().data_ptr() == layer.weight().data_ptr();
        match self.layers.iter().find(|known| known.name == layer.name) {
            None => {
                let other = self.layers.iter().find(same).map(|known| &known.name);
                assert!(other.is_none(), "{other:?} and {} are one weight, expected one name for it", layer.name);
                self.layers.push(layer.shallow_clone());
            }
            Some(known) => {
                assert!(same(&known), "two layers are called {}: a name is a layer's own", layer.name);
                let matrices =
                    [known.map, layer.map].iter().all(|map| [LinearMap::Dense, LinearMap::Shared].contains(map));
                assert!(matrices || known.map == layer.map, "{} acts in two ways, expected one", layer.name);
            }
        }
    }
}
