//! The parameters of a network and what a forward pass leaves behind, layer by layer.

use tch::Tensor;

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

/// The parameters of one layer; the weight comes first.
#[derive(Debug)]
pub struct LayerParameters {
    /// Such as `fc1`.
    pub name: String,
    /// The weight (out x in) first, then the bias (out); where the layer is normalised, then its gain and shift (out).
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

    /// Gain and shift of a layer that is normalised.
    pub fn gain_and_shift(&self) -> Option<(&Tensor, &Tensor)> {
        self.parameters.get(2).zip(self.parameters.get(3)).map(|(gain, shift)| (&gain.value, &shift.value))
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
    /// What came out of its linear map, B x out.
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
    /// What enters the activation, B x out: the pre-activation, or what the normalisation made of it.
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
/// shift.
#[derive(Debug)]
pub struct LayerDelta {
    /// d, at the pre-activation, B x out.
    pub pre_activation: Tensor,
    /// e, at the normalisation's output, B x out, in a layer that is normalised.
    pub normalised: Option<Tensor>,
}
