//! The parameters of a network and what a forward pass leaves behind, layer by layer.

use tch::Tensor;

use crate::convolution;

/// One named parameter tensor, such as `fc1.weight`.
#[derive(Debug)]
pub struct Parameter {
    /// The layer's name, a dot, and the role: `weight`, `bias`, `gain` or `shift`.
    pub name: String,
    /// The values; a leaf of the graph that requires its gradient.
    pub value: Tensor,
}

impl Parameter {
    /// Where every element begins that is not drawn: 1 for a gain, 0 for a bias or a shift.
    pub fn start(&self) -> f64 {
        if self.name.ends_with(".gain") { 1.0 } else { 0.0 }
    }
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
    /// The weight (out x in, or out x in x 3 x 3) first, then the bias (out); where the layer is normalised, then its gain
    /// and shift (out).
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

    /// Gain and shift of a layer that is normalised.
    pub fn gain_and_shift(&self) -> Option<(&Tensor, &Tensor)> {
        self.parameters.get(2).zip(self.parameters.get(3)).map(|(gain, shift)| (&gain.value, &shift.value))
    }

    /// The number of scalars in the layer.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.value.numel()).sum()
    }

    /// What the layer's linear map is.
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
    /// What came out of its linear map, B x out, or B x out x H' x W' of a convolution.
    pub pre_activation: Tensor,
    /// What became of that before the activation, in a hidden layer that is normalised.
    pub normalised: Option<NormalisedTrace>,
}

/// What a forward pass leaves of one layer's normalisation, B samples.
#[derive(Debug)]
pub struct NormalisedTrace {
    /// z_hat, the pre-activation standardised, B x out.
    pub standardised: Tensor,
    /// gain * z_hat + shift, B x out.
    pub output: Tensor,
    /// Whether a sample's z_hat depends, in training, on the other samples.
    pub couples_samples: bool,
}

impl LayerTrace {
    /// What enters the activation, in the pre-activation's shape: the pre-activation, or what the normalisation made of it.
    pub fn activation_input(&self) -> &Tensor {
        self.normalised.as_ref().map_or(&self.pre_activation, |normalised| &normalised.output)
    }

    /// The same values without their graph.
    pub fn detach(&self) -> LayerTrace {
        LayerTrace {
            input: self.input.detach(),
            pre_activation: self.pre_activation.detach(),
            normalised: self.normalised.as_ref().map(|normalised| NormalisedTrace {
                standardised: normalised.standardised.detach(),
                output: normalised.output.detach(),
                ..*normalised
            }),
        }
    }
}

/// The gradients of each sample's own cross-entropy where a layer's parameters act on it. With the layer's input a and
/// z_hat, sample i's gradient is d_i a_i^T for the weight, d_i for the bias, e_i * z_hat_i for the gain, and e_i for the
/// shift. In a convolution these are sums over positions, with the patches of the unfolded input for a.
#[derive(Debug)]
pub struct LayerDelta {
    /// d, at the pre-activation, in its shape.
    pub pre_activation: Tensor,
    /// e, at the normalisation's output, B x out, in a layer that is normalised.
    pub normalised: Option<Tensor>,
}

/// Values of units in the columns: samples x units as it is, and planes (B x channels x H x W) as
/// (B H W) x channels, a channel being one unit that is looked at on every image and position.
pub fn by_unit(values: &Tensor) -> Tensor {
    match LinearMap::of(values) {
        LinearMap::Dense => values.shallow_clone(),
        LinearMap::Convolution => values.permute([0, 2, 3, 1]).flatten(0, 2),
    }
}
