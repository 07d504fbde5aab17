//! Networks of layers one after the other: the perceptron, and the convolutional network of experiments.

use tch::{Device, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::normalization::Normalization;
use trainability_tensor::layer::tensors;
use trainability_tensor::slices::on_host;
use trainability_tensor::{Generator, Gradients, Layer, LayerDelta, LinearMap, OuterGradient, Role, State, StateError};

use super::definition::{Backward, Model, TrainingPass, deltas, gradients};
use super::initialisation::initialise;
use super::inputs::Inputs;
use super::layer_chain::LayerChain;
use super::loss::CrossEntropy;
use super::pass::Pass;
use super::shape::{Convolutions, LayerShape, Shape};

/// A network with the convolutions `conv1`, `conv2`, ..., if it has any, and the dense layers `fc1`, `fc2`, ..., the same
/// activation after each but the last.
#[derive(Debug)]
pub struct Chain {
    layers: Vec<Layer>,
    activation: Box<dyn Activation>,
    normalization: Option<Box<dyn Normalization>>,
    shape: Shape,
}

impl Chain {
    /// A network with Kaiming-uniform weights (fan-in, ReLU gain) and zero biases.
    pub fn new(shape: Shape, activation: Box<dyn Activation>, device: Device, generator: &mut Generator) -> Chain {
        Chain::with_normalization(shape, activation, None, device, generator)
    }

    /// The same, its hidden layers normalised, if they are, with gains of 1 and shifts of 0.
    pub(crate) fn with_normalization(
        shape: Shape,
        activation: Box<dyn Activation>,
        normalization: Option<Box<dyn Normalization>>,
        device: Device,
        generator: &mut Generator,
    ) -> Chain {
        let shapes = shape.layers(activation.as_ref());
        let last = shapes.len() - 1;
        let options = (shape.kind, device);
        let layers = shapes.iter().enumerate().map(|(index, LayerShape { name, map, weight, .. })| {
            let layer = Layer::of(name, *map, Tensor::zeros(weight, options), Tensor::zeros([weight[0]], options));
            if normalization.is_some() && index < last { layer.normalised() } else { layer }
        });
        let mut chain = Chain { layers: layers.collect(), activation, normalization, shape };
        chain.initialise(generator);
        chain
    }

    /// The activation between layers.
    pub fn activation(&self) -> &dyn Activation {
        self.activation.as_ref()
    }

    /// Layers, inputs and outputs.
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether back-propagation is a few products that are quickly written out, which autograd takes longer to find: layers
    /// are dense, nothing normalises, and the activation is linear between kinks.
    fn is_plain(&self) -> bool {
        self.chain().is_some_and(|chain| chain.is_piecewise_linear()) && self.begins_dense()
    }

    fn begins_dense(&self) -> bool {
        self.layers[0].map == LinearMap::Dense
    }

    /// The mean loss's gradient at the pre-activation of each layer (B x out), without a graph.
    fn plain_deltas(&self, pass: &TrainingPass, loss: &CrossEntropy) -> Vec<Tensor> {
        let mut deltas = vec![loss.at_logits()];
        for (layer, below) in self.layers[1..].iter().zip(&pass.trace).rev() {
            let at_features = deltas[deltas.len() - 1].mm(layer.weight());
            deltas.push(self.activation.pull_back(&below.pre_activation, &at_features, below.map));
        }
        deltas.reverse();
        deltas
    }

    /// Back-propagation written out, to the bits that autograd comes to.
    fn plain_backward(&self, pass: &TrainingPass, loss: &CrossEntropy, with_deltas: bool) -> Backward {
        let _guard = tch::no_grad_guard();
        let samples = pass.logits.size()[0] as f64;
        let deltas = self.plain_deltas(pass, loss);
        let of_layer = |(index, delta): (usize, &Tensor)| {
            let weight = match index {
                0 => pass.inputs.weight_gradient(delta),
                _ => delta.tr().mm(&pass.trace[index].input),
            };
            vec![weight, bias_gradient(delta)]
        };
        let gradients = deltas.iter().enumerate().map(of_layer).collect();
        let of_samples = |delta: &Tensor| Some(LayerDelta::new(delta * samples, None));
        Backward { gradients, deltas: if with_deltas { deltas.iter().map(of_samples).collect() } else { Vec::new() } }
    }

    /// By autograd from the scalar loss, in a graph that begins at the first layer's pre-activation.
    fn gradients_from_first(&self, pass: &TrainingPass, loss: &Tensor, keep_graph: bool) -> Gradients {
        let targets: Vec<&Tensor> = std::iter::once(&pass.trace[0].pre_activation)
            .chain(self.layers[0].normalising())
            .chain(tensors(&self.layers[1..]))
            .collect();
        let mut flat = Tensor::run_backward(&[loss], &targets, keep_graph, false).into_iter();
        let delta = flat.next().expect("a gradient for every target");
        let mut flat = flat.map(|gradient| gradient.contiguous());
        let of_first = |role| match role {
            Role::Weight => pass.inputs.weight_gradient(&delta),
            Role::Bias => bias_gradient(&delta),
            Role::Gain | Role::Shift => flat.next().expect("a gradient for every target"),
        };
        let first = self.layers[0].parameters.iter().map(|parameter| parameter.role).map(of_first).collect();
        let mut gradients = vec![first];
        gradients.extend(self.layers[1..].iter().map(|layer| flat.by_ref().take(layer.parameters.len()).collect()));
        gradients
    }
}

fn bias_gradient(delta: &Tensor) -> Tensor {
    delta.sum_dim_intlist([0i64].as_slice(), false, delta.kind())
}

impl Model for Chain {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.layers
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let mut input = match &self.shape.convolutions {
            Some(Convolutions { image, .. }) if inputs.defined() => {
                inputs.reshape([-1, image.channels as i64, image.rows as i64, image.columns as i64])
            }
            _ => inputs.shallow_clone(),
        };
        let (last, hidden) = self.layers.split_last().expect("a network has an output layer");
        for (index, layer) in hidden.iter().enumerate() {
            let mut values = pass.layer(layer, &input);
            if let Some(normalization) = &self.normalization {
                values = pass.normalise(layer, normalization.as_ref(), index, &values);
            }
            input = pass.hidden(&layer.name, self.activation.forward(&values, layer.map));
            if layer.map.is_convolution() && self.layers[index + 1].map == LinearMap::Dense {
                // Above a convolution a dense layer takes the planes one after the other.
                input = input.flatten(1, -1);
            }
        }
        pass.layer(last, &input)
    }

    fn initialise(&mut self, generator: &mut Generator) {
        initialise(&mut self.layers, generator);
        let hidden = self.layers.len() - 1;
        if let Some(normalization) = &mut self.normalization {
            normalization.begin(&self.layers[..hidden]);
        }
    }

    fn chain(&self) -> Option<LayerChain<'_>> {
        let normalization = self.normalization.as_deref();
        Some(LayerChain { layers: &self.layers, activation: self.activation.as_ref(), normalization })
    }

    /// It has a graph where autograd is needed; where the first layer is dense, that begins at its pre-activation, as what lies
    /// before has no need of it.
    fn training_pass(&self, inputs: Inputs) -> TrainingPass {
        let plain = self.is_plain();
        let _guard = plain.then(tch::no_grad_guard);
        let (mut pass, input) = if self.begins_dense() {
            let first = inputs.linear(&self.layers[0]).set_requires_grad(!plain);
            (Pass::training().with_pre_activation(&self.layers[0], first), Tensor::new())
        } else {
            (Pass::training(), inputs.dense())
        };
        let logits = self.forward(&input, &mut pass);
        TrainingPass { inputs, logits, trace: pass.into_trace(&self.layers) }
    }

    fn backward(&self, pass: &TrainingPass, loss: &CrossEntropy, with_deltas: bool) -> Backward {
        if self.is_plain() {
            return self.plain_backward(pass, loss, with_deltas);
        }
        let gradients = if self.begins_dense() {
            self.gradients_from_first(pass, loss.mean(), with_deltas)
        } else {
            gradients(&self.layers, loss.mean(), with_deltas)
        };
        let deltas = if with_deltas { deltas(&pass.trace, loss.mean(), pass.logits.size()[0]) } else { Vec::new() };
        Backward { gradients, deltas }
    }

    fn backward_of_one(&self, pass: &TrainingPass, loss: &CrossEntropy) -> Option<Vec<OuterGradient>> {
        if !self.is_plain() || pass.logits.size()[0] != 1 || !on_host(&pass.logits) {
            return None;
        }
        let _guard = tch::no_grad_guard();
        let input = |index: usize| match index {
            0 => pass.inputs.dense(),
            _ => pass.trace[index].input.shallow_clone(),
        };
        let deltas = self.plain_deltas(pass, loss).into_iter().enumerate();
        Some(deltas.map(|(index, delta)| OuterGradient { delta, input: input(index) }).collect())
    }

    fn follow(&mut self, pass: &TrainingPass) {
        let Some(normalization) = &mut self.normalization else { return };
        for (layer, trace) in pass.trace[..pass.trace.len() - 1].iter().enumerate() {
            normalization.follow(layer, &trace.pre_activation);
        }
    }

    fn restart_units(&mut self, layer: usize, units: &[i64]) {
        if let Some(normalization) = &mut self.normalization {
            normalization.restart_units(layer, units);
        }
    }

    fn save(&self, state: &mut State) {
        for parameter in self.layers.iter().flat_map(|layer| &layer.parameters) {
            state.put_tensor(&parameter.name, &parameter.value);
        }
        if let Some(normalization) = &self.normalization {
            state.put_part("normalization", normalization.as_ref());
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        for parameter in self.layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
            state.copy_into(&parameter.name, &mut parameter.value)?;
        }
        match &mut self.normalization {
            Some(normalization) => state.restore_part("normalization", normalization.as_mut()),
            None => Ok(()),
        }
    }
}
