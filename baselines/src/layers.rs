//! The parameters of a network and what a forward pass leaves behind, layer by layer.

use tch::Tensor;

use crate::convolution;

/// One named parameter tensor, such as `fc1.weight`.
#[derive(Debug)]
pub struct Parameter {
    /// The layer's name, a dot, and the role: `weight` or `bias`.
    pub name: String,
    /// The values; a leaf of the graph that requires its gradient.
    pub value: Tensor,
}

/// The linear map of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinearMap {
    /// A matrix, out x in, that takes B x in to B x out.
    Dense,
    /// Filters, out x in x 3 x 3, that take B x in x H x W to B x out x H' x W'; see [`convolution`].
    Convolution,
}

impl LinearMap {
    /// The map that a weight belongs to, or that such an input or output belongs to: only planes have four dimensions.
    pub fn of(tensor: &Tensor) -> LinearMap {
        if tensor.dim() == 4 { LinearMap::Convolution } else { LinearMap::Dense }
    }
}

/// The parameters of one layer; the weight comes first.
#[derive(Debug)]
pub struct LayerParameters {
    /// Such as `fc1` or `conv1`.
    pub name: String,
    /// The weight (out x in, or out x in x 3 x 3) first, then the bias (out).
    pub parameters: Vec<Parameter>,
}

impl LayerParameters {
    /// The weight, out x in or out x in x 3 x 3.
    pub fn weight(&self) -> &Tensor {
        &self.parameters[0].value
    }

    /// The weight as a matrix, out x in or out x (in 3 3).
    pub fn matrix(&self) -> Tensor {
        self.weight().flatten(1, -1)
    }

    /// The bias vector, if the layer has one.
    pub fn bias(&self) -> Option<&Tensor> {
        self.parameters.get(1).map(|parameter| &parameter.value)
    }

    /// The number of scalars in the layer.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.value.numel()).sum()
    }

    /// What the layer is.
    pub fn map(&self) -> LinearMap {
        LinearMap::of(self.weight())
    }

    /// The pre-activation of an input.
    pub fn forward(&self, input: &Tensor) -> Tensor {
        match self.map() {
            LinearMap::Dense => input.linear(self.weight(), self.bias()),
            LinearMap::Convolution => convolution::forward(input, self.weight(), self.bias()),
        }
    }
}

/// One gradient tensor for each parameter of each layer, in the same order and shapes.
pub type Gradients = Vec<Vec<Tensor>>;

/// All parameter tensors in order.
pub fn tensors(layers: &[LayerParameters]) -> impl Iterator<Item = &Tensor> {
    layers.iter().flat_map(|layer| layer.parameters.iter().map(|parameter| &parameter.value))
}

/// What a forward pass leaves of one layer, B samples.
#[derive(Debug)]
pub struct LayerTrace {
    /// What went into the layer, B x in, or B x in x H x W into a convolution.
    pub input: Tensor,
    /// What came out before the activation, B x out, or B x out x H' x W' of a convolution.
    pub pre_activation: Tensor,
}

impl LayerTrace {
    /// The same values without their graph.
    pub fn detach(&self) -> LayerTrace {
        LayerTrace { input: self.input.detach(), pre_activation: self.pre_activation.detach() }
    }
}

/// Values of units in the columns: samples x units as it is, and planes (B x channels x H x W) as
/// (B H W) x channels, a channel being one unit that is looked at on every image and position.
pub fn by_unit(values: &Tensor) -> Tensor {
    match LinearMap::of(values) {
        LinearMap::Dense => values.shallow_clone(),
        LinearMap::Convolution => values.permute([0, 2, 3, 1]).flatten(0, 2),
    }
}
