//! Networks: their parameters by layer, and a forward pass that leaves each layer's input and pre-activation behind.

use tch::{Kind, Tensor};
use trainability_baselines::activation::{Activation, relu};
use trainability_baselines::layers::tensors;
use trainability_baselines::{Gradients, LayerParameters, LayerTrace, Parameter, State, StateError, Stateful};

use crate::random::Generator;

mod initialisation;
mod loss;
mod sparse_images;
mod training;

pub use initialisation::kaiming_uniform;
pub use loss::{correct, cross_entropy};
pub use sparse_images::SparseImages;
pub use training::{Inputs, TaskImages, TrainingPass};

/// What a multi-layer perceptron is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Features of an input.
    pub inputs: i64,
    /// Units of each hidden layer.
    pub hidden: Vec<i64>,
    /// Classes.
    pub outputs: i64,
    /// f32, or f64 where exactness matters more than speed.
    pub kind: Kind,
}

impl Shape {
    /// Scalars of a network of this shape with this activation.
    pub fn parameter_count(&self, activation: &dyn Activation) -> i64 {
        let mut fan_in = self.inputs;
        let mut count = 0;
        for &units in self.hidden.iter().chain([&self.outputs]) {
            count += units * (fan_in + 1);
            fan_in = activation.features(units);
        }
        count
    }

    /// The shape with its hidden layers narrowed by one factor, so that with this activation it has as many parameters
    /// as this shape has with an activation that widens nothing, as nearly as whole units allow.
    pub fn matched(&self, activation: &dyn Activation) -> Shape {
        let target = self.parameter_count(&relu::Relu);
        let Some(&widest) = self.hidden.iter().max() else { return self.clone() };
        let narrowed = (1..=widest).map(|width| {
            let scale = width as f64 / widest as f64;
            let hidden = self.hidden.iter().map(|&units| ((units as f64 * scale).round() as i64).max(1)).collect();
            Shape { hidden, ..self.clone() }
        });
        let distance = |shape: &Shape| (shape.parameter_count(activation) - target).abs();
        narrowed.min_by_key(distance).unwrap_or_else(|| self.clone())
    }
}

/// A multi-layer perceptron with layers `fc1`, `fc2`, ...
#[derive(Debug)]
pub struct Network {
    /// The parameters, leaves that require their gradient.
    pub layers: Vec<LayerParameters>,
    activation: Box<dyn Activation>,
    shape: Shape,
}

impl Network {
    /// A network with Kaiming-uniform weights (fan-in, ReLU gain) and zero biases.
    pub fn new(shape: Shape, activation: Box<dyn Activation>, generator: &mut Generator) -> Network {
        let mut network = Network { layers: Vec::new(), activation, shape };
        network.initialise(generator);
        network
    }

    /// Draws all parameters anew.
    pub fn initialise(&mut self, generator: &mut Generator) {
        let mut fan_in = self.shape.inputs;
        let widths = self.shape.hidden.iter().copied().chain([self.shape.outputs]);
        let mut layers = Vec::new();
        for (index, units) in widths.enumerate() {
            let name = format!("fc{}", index + 1);
            let parameter = |role: &str, value: Tensor| Parameter {
                name: format!("{name}.{role}"),
                value: value.set_requires_grad(true),
            };
            let weight = kaiming_uniform(units, fan_in, self.shape.kind, generator);
            let bias = Tensor::zeros([units], (self.shape.kind, tch::Device::Cpu));
            let parameters = vec![parameter("weight", weight), parameter("bias", bias)];
            layers.push(LayerParameters { name, parameters });
            fan_in = self.activation.features(units);
        }
        self.layers = layers;
    }

    /// The activation between layers.
    pub fn activation(&self) -> &dyn Activation {
        self.activation.as_ref()
    }

    /// Layers, inputs and outputs.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Runs `images` (B x inputs) through the network; the last trace's pre-activation is the logits (B x outputs).
    pub fn forward(&self, images: &Tensor) -> Vec<LayerTrace> {
        let first = &self.layers[0];
        let pre_activation = images.linear(first.weight(), first.bias());
        let mut trace = self.forward_above(&pre_activation);
        trace.insert(0, LayerTrace { input: images.shallow_clone(), pre_activation });
        trace
    }

    /// Goes on from the first layer's pre-activation (B x out) with the layers above it.
    fn forward_above(&self, first: &Tensor) -> Vec<LayerTrace> {
        let mut trace: Vec<LayerTrace> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers[1..] {
            let below = trace.last().map_or(first, |below| &below.pre_activation);
            let input = self.activation.forward(below);
            let pre_activation = input.linear(layer.weight(), layer.bias());
            trace.push(LayerTrace { input, pre_activation });
        }
        trace
    }

    /// The gradient of a scalar at all parameters. The graph is kept if it is needed again.
    pub fn gradients(&self, loss: &Tensor, keep_graph: bool) -> Gradients {
        let parameters: Vec<&Tensor> = tensors(&self.layers).collect();
        let mut flat = Tensor::run_backward(&[loss], &parameters, keep_graph, false).into_iter();
        let dense = |gradient: Tensor| gradient.contiguous();
        self.layers.iter().map(|layer| flat.by_ref().take(layer.parameters.len()).map(dense).collect()).collect()
    }

    /// The gradient of each sample's own cross-entropy at each layer's pre-activation, B x out, from the mean loss.
    pub fn deltas(trace: &[LayerTrace], mean_loss: &Tensor) -> Vec<Tensor> {
        let samples = trace[0].input.size()[0];
        let targets: Vec<&Tensor> = trace.iter().map(|layer| &layer.pre_activation).collect();
        let gradients = Tensor::run_backward(&[mean_loss], &targets, true, false);
        gradients.into_iter().map(|gradient| gradient * samples as f64).collect()
    }

    /// The number of scalars.
    pub fn parameter_count(&self) -> usize {
        self.layers.iter().map(LayerParameters::count).sum()
    }
}

/// The logits of a trace, B x classes.
pub fn logits(trace: &[LayerTrace]) -> &Tensor {
    &trace[trace.len() - 1].pre_activation
}

impl Stateful for Network {
    fn save(&self, state: &mut State) {
        for parameter in self.layers.iter().flat_map(|layer| &layer.parameters) {
            state.put_tensor(&parameter.name, &parameter.value);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let parameters = self.layers.iter_mut().flat_map(|layer| &mut layer.parameters);
        for parameter in parameters {
            state.copy_into(&parameter.name, &mut parameter.value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
