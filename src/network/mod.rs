//! Networks: their parameters by layer, and a forward pass that leaves each layer's input and pre-activation behind.

use tch::Tensor;
use trainability_baselines::activation::Activation;
use trainability_baselines::layers::tensors;
use trainability_baselines::normalization::{Normalization, Pass};
use trainability_baselines::{
    Gradients, LayerDelta, LayerParameters, LayerTrace, LinearMap, Parameter, State, StateError, Stateful,
};

use crate::random::Generator;

mod initialisation;
mod loss;
mod normalised;
mod shape;
mod sparse_images;
mod training;

pub use initialisation::kaiming_uniform;
pub use loss::{CrossEntropy, correct, cross_entropy};
pub use shape::{Convolutions, LayerShape, Shape};
pub use sparse_images::SparseImages;
pub use training::{Backward, Inputs, TaskImages, TrainingPass};

/// A network with the convolutions `conv1`, `conv2`, ..., if it has any, and the dense layers `fc1`, `fc2`, ...
#[derive(Debug)]
pub struct Network {
    /// The parameters, leaves that require their gradient.
    pub layers: Vec<LayerParameters>,
    activation: Box<dyn Activation>,
    normalization: Option<Box<dyn Normalization>>,
    shape: Shape,
}

impl Network {
    /// A network with Kaiming-uniform weights (fan-in, ReLU gain) and zero biases.
    pub fn new(shape: Shape, activation: Box<dyn Activation>, generator: &mut Generator) -> Network {
        Network::with_normalization(shape, activation, None, generator)
    }

    /// The same, its hidden layers normalised, if they are, with gains of 1 and shifts of 0.
    pub fn with_normalization(
        shape: Shape,
        activation: Box<dyn Activation>,
        normalization: Option<Box<dyn Normalization>>,
        generator: &mut Generator,
    ) -> Network {
        let mut network = Network { layers: Vec::new(), activation, normalization, shape };
        network.initialise(generator);
        network
    }

    /// Draws all parameters anew; the normalisation begins anew too.
    pub fn initialise(&mut self, generator: &mut Generator) {
        let shapes = self.shape.layers(self.activation());
        let last = shapes.len() - 1;
        let options = (self.shape.kind, tch::Device::Cpu);
        let layers = shapes.into_iter().enumerate().map(|(index, LayerShape { name, weight, .. })| {
            let parameter = |role: &str, value: Tensor| Parameter {
                name: format!("{name}.{role}"),
                value: value.set_requires_grad(true),
            };
            let units = weight[0];
            let weight = kaiming_uniform(&weight, self.shape.kind, generator);
            let mut parameters = vec![parameter("weight", weight), parameter("bias", Tensor::zeros([units], options))];
            if self.normalization.is_some() && index < last {
                parameters.push(parameter("gain", Tensor::ones([units], options)));
                parameters.push(parameter("shift", Tensor::zeros([units], options)));
            }
            LayerParameters { name, parameters }
        });
        self.layers = layers.collect();
        if let Some(normalization) = &mut self.normalization {
            normalization.begin(&self.layers[..last]);
        }
    }

    /// The activation between layers.
    pub fn activation(&self) -> &dyn Activation {
        self.activation.as_ref()
    }

    /// Layers, inputs and outputs.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether the logits are piecewise linear in the parameters of any one layer.
    pub fn is_piecewise_linear(&self) -> bool {
        self.activation.piecewise_linear() && self.normalization.is_none()
    }

    /// Runs `images` (B x inputs) through the network as it is used; the last trace's pre-activation is the logits
    /// (B x outputs).
    pub fn forward(&self, images: &Tensor) -> Vec<LayerTrace> {
        self.forward_in(images, Pass::Evaluation)
    }

    /// The same as an update sees it, with a normalisation over the minibatch; it changes nothing in the network.
    pub fn forward_training(&self, images: &Tensor) -> Vec<LayerTrace> {
        self.forward_in(images, Pass::Training)
    }

    fn forward_in(&self, images: &Tensor, pass: Pass) -> Vec<LayerTrace> {
        let input = self.arrange(images);
        let pre_activation = self.layers[0].forward(&input);
        self.forward_from(0, input, pre_activation, pass)
    }

    /// Images (B x inputs) as the first layer takes them: B x channels x height x width for a convolution.
    fn arrange(&self, images: &Tensor) -> Tensor {
        match &self.shape.convolutions {
            None => images.shallow_clone(),
            Some(Convolutions { image, .. }) => {
                images.reshape([-1, image.channels as i64, image.rows as i64, image.columns as i64])
            }
        }
    }

    /// Goes on from a layer's pre-activation: the traces of that layer, of which `input` becomes a part, and of all above it.
    pub(crate) fn forward_from(
        &self,
        layer: usize,
        input: Tensor,
        pre_activation: Tensor,
        pass: Pass,
    ) -> Vec<LayerTrace> {
        let normalised = self.normalise(layer, &pre_activation, pass);
        let mut trace = vec![LayerTrace { input, pre_activation, normalised }];
        for (index, parameters) in self.layers.iter().enumerate().skip(layer + 1) {
            let activations = self.activation.forward(trace[trace.len() - 1].activation_input());
            let input = match parameters.map() {
                // Above a convolution a dense layer takes the planes one after the other.
                LinearMap::Dense if activations.dim() > 2 => activations.flatten(1, -1),
                _ => activations,
            };
            let pre_activation = parameters.forward(&input);
            let normalised = self.normalise(index, &pre_activation, pass);
            trace.push(LayerTrace { input, pre_activation, normalised });
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

    /// The gradients of each sample's own cross-entropy in each layer, from the mean loss of a training pass; `None` where
    /// samples are coupled, in a layer that normalises over the minibatch and in all below it.
    pub fn deltas(trace: &[LayerTrace], mean_loss: &Tensor) -> Vec<Option<LayerDelta>> {
        let samples = logits(trace).size()[0] as f64;
        let couples =
            |layer: &LayerTrace| layer.normalised.as_ref().is_some_and(|normalised| normalised.couples_samples);
        let coupled = trace.iter().rposition(couples).map_or(0, |last| last + 1);
        let targets: Vec<&Tensor> = trace[coupled..]
            .iter()
            .flat_map(|layer| {
                let output = layer.normalised.as_ref().map(|normalised| &normalised.output);
                std::iter::once(&layer.pre_activation).chain(output)
            })
            .collect();
        let gradients = Tensor::run_backward(&[mean_loss], &targets, true, false);
        let mut gradients = gradients.into_iter().map(|gradient| gradient * samples);
        let mut next = || gradients.next().expect("a gradient for every target");
        let single = trace[coupled..].iter().map(|layer| {
            Some(LayerDelta { pre_activation: next(), normalised: layer.normalised.is_some().then(&mut next) })
        });
        (0..coupled).map(|_| None).chain(single).collect()
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
        if let Some(normalization) = &self.normalization {
            state.put_part("normalization", normalization.as_ref());
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let parameters = self.layers.iter_mut().flat_map(|layer| &mut layer.parameters);
        for parameter in parameters {
            state.copy_into(&parameter.name, &mut parameter.value)?;
        }
        match &mut self.normalization {
            Some(normalization) => state.restore_part("normalization", normalization.as_mut()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
