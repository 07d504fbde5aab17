//! What a model is, and the passes of an update.

use std::fmt::Debug;

use tch::Tensor;
use trainability_tensor::layer::tensors;
use trainability_tensor::{
    Generator, Gradients, Layer, LayerDelta, LayerTrace, OuterGradient, State, StateError, Stateful,
};

use super::initialisation::initialise;
use super::inputs::Inputs;
use super::layer_chain::LayerChain;
use super::loss::CrossEntropy;
use super::pass::Pass;

/// A network: layers, and how a batch passes through them.
///
/// Of a network of one's own three methods are asked. The others let it use what it knows of itself: a faster pass, an
/// initialisation, a memory.
pub trait Model: Debug + Send {
    /// The layers, each a unit of measurement and control. Names are unique.
    fn layers(&self) -> &[Layer];

    /// The layers, to be written to where gradients are off.
    fn layers_mut(&mut self) -> &mut [Layer];

    /// The logits (B x classes) of a batch (B x inputs), each layer's map by [`Pass::layer`].
    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor;

    /// Draws all parameters anew, and forgets what it remembers.
    fn initialise(&mut self, generator: &mut Generator) {
        initialise(self.layers_mut(), generator);
    }

    /// The model as layers one after the other, if that is what it is: curvature then has an exact fast path, and
    /// interventions know which weights a unit's output enters.
    fn chain(&self) -> Option<LayerChain<'_>> {
        None
    }

    /// The forward pass of an update.
    fn training_pass(&self, inputs: Inputs) -> TrainingPass {
        let mut pass = Pass::training();
        let logits = self.forward(&inputs.dense(), &mut pass);
        TrainingPass { inputs, logits, trace: pass.into_trace(self.layers()) }
    }

    /// The backward pass of an update, with the gradients of single samples if they are asked for. The loss is that of the
    /// pass's logits.
    fn backward(&self, pass: &TrainingPass, loss: &CrossEntropy, with_deltas: bool) -> Backward {
        let gradients = gradients(self.layers(), loss.mean(), with_deltas);
        let deltas = if with_deltas { deltas(&pass.trace, loss.mean(), pass.logits.size()[0]) } else { Vec::new() };
        Backward { gradients, deltas }
    }

    /// The gradients of a pass of one sample as outer products, the loss being that of the pass's logits; none where the model is
    /// more than dense layers one after the other, or tensors are out of reach of slices.
    fn backward_of_one(&self, _pass: &TrainingPass, _loss: &CrossEntropy) -> Option<Vec<OuterGradient>> {
        None
    }

    /// Remembers what it has to of an update's pass, as a normalisation over the minibatch does: once for each update.
    fn follow(&mut self, _pass: &TrainingPass) {}

    /// Forgets what it remembers of some units of a layer, which are fresh.
    fn restart_units(&mut self, _layer: usize, _units: &[i64]) {}

    /// Writes down parameters and memory.
    fn save(&self, state: &mut State) {
        for parameter in self.layers().iter().flat_map(|layer| &layer.parameters) {
            state.put_tensor(&parameter.name, &parameter.value);
        }
    }

    /// Takes back what [`Model::save`] wrote.
    ///
    /// # Errors
    /// A tensor is missing, or of another shape or type.
    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let parameters = self.layers_mut().iter_mut().flat_map(|layer| &mut layer.parameters);
        parameters.into_iter().try_for_each(|parameter| state.copy_into(&parameter.name, &mut parameter.value))
    }
}

impl<M: Model + 'static> From<M> for Box<dyn Model> {
    fn from(model: M) -> Box<dyn Model> {
        Box::new(model)
    }
}

impl Stateful for dyn Model {
    fn save(&self, state: &mut State) {
        Model::save(self, state);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        Model::restore(self, state)
    }
}

/// A forward pass of an update: its graph, where the model needs one, is as long as this lives.
#[derive(Debug)]
pub struct TrainingPass {
    /// What went in.
    pub inputs: Inputs,
    /// What came out, B x classes.
    pub logits: Tensor,
    /// What the layers left behind; the first layer's input is undefined where the model had no need of it.
    pub trace: Vec<LayerTrace>,
}

impl TrainingPass {
    /// What each hidden layer passed on, without its graph.
    pub(crate) fn features(&self) -> Vec<Tensor> {
        self.trace.iter().filter_map(|layer| layer.features.as_ref()).map(Tensor::detach).collect()
    }

    /// What went in, B x features, and what the layers left behind without its graph, the first layer's input included.
    pub fn into_trace(mut self) -> (Tensor, Vec<LayerTrace>) {
        let inputs = self.inputs.dense();
        if let Some(first) = self.trace.first_mut().filter(|first| !first.input.defined()) {
            first.input = inputs.shallow_clone();
        }
        (inputs, self.trace.iter().map(LayerTrace::detach).collect())
    }
}

/// What the backward pass of an update finds.
#[derive(Debug)]
pub struct Backward {
    /// At all parameters, of the mean cross-entropy.
    pub gradients: Gradients,
    /// Of each sample's own cross-entropy, as [`deltas`] gives them; empty if they were not asked for.
    pub deltas: Vec<Option<LayerDelta>>,
}

/// The gradient of a scalar at all parameters. The graph is kept if it is needed again.
pub fn gradients(layers: &[Layer], loss: &Tensor, keep_graph: bool) -> Gradients {
    let parameters: Vec<&Tensor> = tensors(layers).collect();
    let flat = Tensor::run_backward(&[loss], &parameters, keep_graph, false).into_iter();
    // The loss may not depend on a parameter, as on a row's table that was not looked up or a branch that was not taken.
    let dense = |(gradient, parameter): (Tensor, &&Tensor)| match gradient.defined() {
        true => gradient.contiguous(),
        false => parameter.detach().zeros_like(),
    };
    let mut flat = flat.zip(&parameters).map(dense);
    layers.iter().map(|layer| flat.by_ref().take(layer.parameters.len()).collect()).collect()
}

/// The gradients of each sample's own cross-entropy in each layer, from the mean loss of a training pass over so many samples;
/// `None` where single samples have none: below what couples them ([`LayerTrace::coupled`]), and in a layer whose first dimension is
/// not that of the samples.
pub fn deltas(trace: &[LayerTrace], mean_loss: &Tensor, samples: i64) -> Vec<Option<LayerDelta>> {
    fn targets<'a>(part: &'a LayerTrace, all: &mut Vec<&'a Tensor>) {
        all.push(&part.pre_activation);
        all.extend(part.normalised.as_ref().map(|normalised| &normalised.output));
        part.again.iter().for_each(|other| targets(other, all));
    }
    fn take(part: &LayerTrace, next: &mut dyn FnMut() -> Tensor) -> LayerDelta {
        let pre_activation = next();
        let normalised = part.normalised.is_some().then(&mut *next);
        LayerDelta { pre_activation, normalised, again: part.again.iter().map(|other| take(other, next)).collect() }
    }
    let by_sample = |part: &LayerTrace| part.pre_activation.size().first() == Some(&samples);
    let is_single =
        |layer: &LayerTrace| layer.coupled.is_none() && by_sample(layer) && layer.again.iter().all(by_sample);
    let mut all = Vec::new();
    trace.iter().filter(|layer| is_single(layer)).for_each(|layer| targets(layer, &mut all));
    let gradients = Tensor::run_backward(&[mean_loss], &all, true, false);
    // Where the loss does not depend on a layer, there is no gradient.
    let of_single = |(gradient, place): (Tensor, &&Tensor)| match gradient.defined() {
        true => gradient * samples as f64,
        false => place.detach().zeros_like(),
    };
    let mut single = gradients.into_iter().zip(&all).map(of_single);
    let mut next = || single.next().expect("a gradient for every target");
    trace.iter().map(|layer| is_single(layer).then(|| take(layer, &mut next))).collect()
}
