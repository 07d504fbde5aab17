//! The parameters of a network and what a forward pass leaves behind, layer by layer.

use tch::Tensor;

/// One named parameter tensor, such as `fc1.weight`.
#[derive(Debug)]
pub struct Parameter {
    /// The layer's name, a dot, and the role: `weight` or `bias`.
    pub name: String,
    /// The values; a leaf of the graph that requires its gradient.
    pub value: Tensor,
}

/// The parameters of one layer; the weight comes first.
#[derive(Debug)]
pub struct LayerParameters {
    /// Such as `fc1`.
    pub name: String,
    /// The weight (out x in) first, then the bias (out).
    pub parameters: Vec<Parameter>,
}

impl LayerParameters {
    /// The weight matrix, out x in.
    pub fn weight(&self) -> &Tensor {
        &self.parameters[0].value
    }

    /// The bias vector, if the layer has one.
    pub fn bias(&self) -> Option<&Tensor> {
        self.parameters.get(1).map(|parameter| &parameter.value)
    }

    /// The number of scalars in the layer.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.value.numel()).sum()
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
    /// What went into the layer, B x in.
    pub input: Tensor,
    /// What came out before the activation, B x out.
    pub pre_activation: Tensor,
}

impl LayerTrace {
    /// The same values without their graph.
    pub fn detach(&self) -> LayerTrace {
        LayerTrace { input: self.input.detach(), pre_activation: self.pre_activation.detach() }
    }
}
