//! Networks: their parameters by layer, and a forward pass that leaves each layer's input and pre-activation behind.

use tch::Tensor;
use trainability_baselines::activation::Activation;
use trainability_baselines::layers::tensors;
use trainability_baselines::{
    Gradients, LayerParameters, LayerTrace, LinearMap, Parameter, State, StateError, Stateful,
};

use crate::random::Generator;

mod initialisation;
mod loss;
mod shape;
mod sparse_images;
mod training;

pub use initialisation::kaiming_uniform;
pub use loss::{correct, cross_entropy};
pub use shape::{Convolutions, LayerShape, Shape};
pub use sparse_images::SparseImages;
pub use training::{Inputs, TaskImages, TrainingPass};

/// A network with the convolutions `conv1`, `conv2`, ..., if it has any, and the dense layers `fc1`, `fc2`, ...
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
        let layers = self.shape.layers(self.activation()).into_iter().map(|LayerShape { name, weight, .. }| {
            let parameter = |role: &str, value: Tensor| Parameter {
                name: format!("{name}.{role}"),
                value: value.set_requires_grad(true),
            };
            let bias = Tensor::zeros([weight[0]], (self.shape.kind, tch::Device::Cpu));
            let weight = kaiming_uniform(&weight, self.shape.kind, generator);
            let parameters = vec![parameter("weight", weight), parameter("bias", bias)];
            LayerParameters { name, parameters }
        });
        self.layers = layers.collect();
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
        self.forward_from(0, self.arrange(images))
    }

    /// Goes on from the input of a layer, counted from 0, with this layer and those above it.
    pub fn forward_from(&self, layer: usize, input: Tensor) -> Vec<LayerTrace> {
        let pre_activation = self.layers[layer].forward(&input);
        let above = self.forward_above(layer, &pre_activation);
        std::iter::once(LayerTrace { input, pre_activation }).chain(above).collect()
    }

    /// Images (B x inputs) as the first layer takes them: B x channels x height x width for a convolution.
    pub fn arrange(&self, images: &Tensor) -> Tensor {
        match &self.shape.convolutions {
            None => images.shallow_clone(),
            Some(Convolutions { image, .. }) => {
                images.reshape([-1, image.channels as i64, image.rows as i64, image.columns as i64])
            }
        }
    }

    /// Goes on from a layer's pre-activation with the layers above it.
    fn forward_above(&self, layer: usize, pre_activation: &Tensor) -> Vec<LayerTrace> {
        let mut trace: Vec<LayerTrace> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers[layer + 1..] {
            let below = trace.last().map_or(pre_activation, |below| &below.pre_activation);
            let activations = self.activation.forward(below);
            let input = match layer.map() {
                // Above a convolution a dense layer takes the planes one after the other.
                LinearMap::Dense if activations.dim() > 2 => activations.flatten(1, -1),
                _ => activations,
            };
            let pre_activation = layer.forward(&input);
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

    /// The gradient of each sample's own cross-entropy at each layer's pre-activation, in its shape, from the mean
    /// loss.
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
