//! The layers of a network: their parameters by name and role, and what a forward and a backward pass leave behind in each.

use tch::{Device, Kind, Tensor};

use crate::convolution::Filters;
use crate::normalisation::Standardisation;

/// What a parameter is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The matrix or the filters of the linear map.
    Weight,
    /// What the linear map adds, one number a unit.
    Bias,
    /// The factor of a normalised unit.
    Gain,
    /// What is added to a normalised unit.
    Shift,
}

impl Role {
    /// The last part of a parameter's name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Weight => "weight",
            Role::Bias => "bias",
            Role::Gain => "gain",
            Role::Shift => "shift",
        }
    }

    /// Where every element begins that is not drawn: 1 for a gain, 0 for a bias or a shift.
    pub fn start(self) -> f64 {
        if self == Role::Gain { 1.0 } else { 0.0 }
    }
}

/// One parameter tensor.
#[derive(Debug)]
pub struct Parameter {
    /// The layer's name, a dot, and the role, such as `fc1.weight`.
    pub name: String,
    /// What it is to its layer.
    pub role: Role,
    /// The values; a leaf of the graph that requires its gradient.
    pub value: Tensor,
}

/// What a layer's weight does, linearly, to what enters the layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinearMap {
    /// A matrix, out x in, that takes B x in to B x out.
    Dense,
    /// The same matrix at each of T positions, B x T x in to B x T x out; there may be several dimensions of positions.
    Shared,
    /// Filters, out x in / groups x height x width, that take B x in x H x W to B x out x H' x W'.
    Convolution(Filters),
    /// Rows of a table, rows x out, by their indices (Int64): B x T to B x T x out.
    Embedding,
    /// A gain a unit, times values that are standardised: the input, in its own shape.
    Normalisation(Standardisation),
}

impl LinearMap {
    /// Whether it convolves.
    pub fn is_convolution(self) -> bool {
        matches!(self, LinearMap::Convolution(_))
    }

    /// Values of units with the units in the columns: samples x units as they are; positions and planes (B x T x units,
    /// B x units x H x W) as (B T) x units and (B H W) x units, one unit being looked at everywhere it acts.
    pub fn by_unit(self, values: &Tensor) -> Tensor {
        match self {
            _ if values.dim() <= 2 => values.shallow_clone(),
            LinearMap::Convolution(_) => values.permute([0, 2, 3, 1]).flatten(0, 2),
            LinearMap::Normalisation(rule) if rule.is_of_channels() => values.movedim_int(1, -1).flatten(0, -2),
            _ => values.flatten(0, -2),
        }
    }

    /// The dimension of the units in the map's output, counted from the end, whatever stands before it.
    pub fn unit_dimension(self) -> i64 {
        match self {
            LinearMap::Convolution(_) => -3,
            LinearMap::Normalisation(rule) => rule.unit_dimension(),
            LinearMap::Dense | LinearMap::Shared | LinearMap::Embedding => -1,
        }
    }

    /// What the weight is multiplied with, of what enters the layer: that itself, or its standardised values.
    pub fn prepare(self, input: &Tensor) -> Tensor {
        match self {
            LinearMap::Normalisation(rule) => rule.standardise(input),
            _ => input.shallow_clone(),
        }
    }
}

/// The parameters of one layer.
#[derive(Debug)]
pub struct Layer {
    /// Such as `fc1` or `conv1`.
    pub name: String,
    /// What the weight and the bias do.
    pub map: LinearMap,
    /// Weight and, where there is one, bias; then gain and shift where the layer is normalised. The order is that of gradients and
    /// of an optimizer's memory.
    pub parameters: Vec<Parameter>,
}

impl Layer {
    /// A dense layer with parameters of zeros, to be initialised.
    pub fn dense(name: &str, inputs: i64, units: i64, options: (Kind, Device)) -> Layer {
        Layer::zeros(name, LinearMap::Dense, &[units, inputs], options)
    }

    /// A dense layer that acts in the same way at every position of a sequence.
    pub fn shared(name: &str, inputs: i64, units: i64, options: (Kind, Device)) -> Layer {
        Layer::zeros(name, LinearMap::Shared, &[units, inputs], options)
    }

    /// A convolution with parameters of zeros, to be initialised.
    pub fn convolution(name: &str, inputs: i64, channels: i64, filters: Filters, options: (Kind, Device)) -> Layer {
        Layer::zeros(name, LinearMap::Convolution(filters), &filters.weight_shape(channels, inputs), options)
    }

    /// A table of vectors, rows x units, of zeros, to be initialised.
    pub fn embedding(name: &str, rows: i64, units: i64, options: (Kind, Device)) -> Layer {
        Layer::without_bias(name, LinearMap::Embedding, Tensor::zeros([rows, units], options))
    }

    /// A gain of ones and a bias of zeros after that rule.
    pub fn normalisation(name: &str, units: i64, rule: Standardisation, options: (Kind, Device)) -> Layer {
        let gain = Tensor::ones([units], options);
        Layer::of(name, LinearMap::Normalisation(rule), gain, Tensor::zeros([units], options))
    }

    fn zeros(name: &str, map: LinearMap, weight: &[i64], options: (Kind, Device)) -> Layer {
        Layer::of(name, map, Tensor::zeros(weight, options), Tensor::zeros([weight[0]], options))
    }

    /// A layer of this weight, in the shape that its map asks for, and bias (out).
    pub fn of(name: &str, map: LinearMap, weight: Tensor, bias: Tensor) -> Layer {
        let mut layer = Layer::without_bias(name, map, weight);
        layer.add(Role::Bias, bias);
        layer
    }

    /// A layer of this weight alone.
    pub fn without_bias(name: &str, map: LinearMap, weight: Tensor) -> Layer {
        let mut layer = Layer { name: name.to_owned(), map, parameters: Vec::new() };
        layer.add(Role::Weight, weight);
        layer
    }

    /// The same layer over the same parameters: what is written to one is written to the other.
    pub fn shallow_clone(&self) -> Layer {
        let parameters = self.parameters.iter().map(|parameter| Parameter {
            name: parameter.name.clone(),
            role: parameter.role,
            value: parameter.value.shallow_clone(),
        });
        Layer { name: self.name.clone(), map: self.map, parameters: parameters.collect() }
    }

    /// The same layer over copies of its parameters, which are no part of a graph.
    pub fn copy(&self) -> Layer {
        let mut copy = self.shallow_clone();
        copy.parameters.iter_mut().for_each(|own| own.value = own.value.detach().copy());
        copy
    }

    /// The same layer with a gain of ones and a shift of zeros.
    pub fn normalised(mut self) -> Layer {
        let units = self.units();
        let options = (self.weight().kind(), self.weight().device());
        self.add(Role::Gain, Tensor::ones([units], options));
        self.add(Role::Shift, Tensor::zeros([units], options));
        self
    }

    fn add(&mut self, role: Role, value: Tensor) {
        let name = format!("{}.{}", self.name, role.name());
        self.parameters.push(Parameter { name, role, value: value.set_requires_grad(true) });
    }

    /// Where the parameter of a role stands among the layer's own.
    pub fn position(&self, role: Role) -> Option<usize> {
        self.parameters.iter().position(|parameter| parameter.role == role)
    }

    /// The parameter of a role.
    pub fn parameter(&self, role: Role) -> Option<&Tensor> {
        self.parameters.iter().find(|parameter| parameter.role == role).map(|parameter| &parameter.value)
    }

    /// The parameter of a role, to write to where gradients are off.
    pub fn parameter_mut(&mut self, role: Role) -> Option<&mut Tensor> {
        self.parameters.iter_mut().find(|parameter| parameter.role == role).map(|parameter| &mut parameter.value)
    }

    /// The weight: out x in, filters, a table, or gains (out).
    ///
    /// # Panics
    /// There is none: every layer has one.
    pub fn weight(&self) -> &Tensor {
        self.parameter(Role::Weight).expect("every layer has a weight")
    }

    /// The weight as a matrix, out x in or out x (in height width); none of gains.
    pub fn matrix(&self) -> Option<Tensor> {
        (self.weight().dim() > 1).then(|| self.weight().flatten(1, -1))
    }

    /// The bias (out).
    pub fn bias(&self) -> Option<&Tensor> {
        self.parameter(Role::Bias)
    }

    /// Gain and shift (out) of a layer that is normalised.
    pub fn gain_and_shift(&self) -> Option<(&Tensor, &Tensor)> {
        self.parameter(Role::Gain).zip(self.parameter(Role::Shift))
    }

    /// Gain and shift where there are any: what a change of the layer does not pass through its pre-activation.
    pub fn normalising(&self) -> impl Iterator<Item = &Tensor> {
        let roles = [Role::Gain, Role::Shift];
        self.parameters
            .iter()
            .filter(move |parameter| roles.contains(&parameter.role))
            .map(|parameter| &parameter.value)
    }

    /// Units, or channels.
    pub fn units(&self) -> i64 {
        self.weight().size()[usize::from(self.map == LinearMap::Embedding)]
    }

    /// The number of scalars in the layer.
    pub fn count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.value.numel()).sum()
    }

    /// The pre-activation of an input that was [prepared](LinearMap::prepare).
    pub fn forward(&self, input: &Tensor) -> Tensor {
        match self.map {
            LinearMap::Dense | LinearMap::Shared => input.linear(self.weight(), self.bias()),
            LinearMap::Convolution(filters) => filters.forward(input, self.weight(), self.bias()),
            LinearMap::Embedding => Tensor::embedding(self.weight(), input, -1, false, false),
            LinearMap::Normalisation(rule) => rule.scale(input, self.weight(), self.bias()),
        }
    }
}

/// One gradient tensor for each parameter of each layer, in the same order and shapes.
pub type Gradients = Vec<Vec<Tensor>>;

/// All parameter tensors in order.
pub fn tensors(layers: &[Layer]) -> impl Iterator<Item = &Tensor> {
    layers.iter().flat_map(|layer| layer.parameters.iter().map(|parameter| &parameter.value))
}

/// What a forward pass leaves of one layer, B samples.
#[derive(Debug)]
pub struct LayerTrace {
    /// What the layer's weight does.
    pub map: LinearMap,
    /// Whether a bias is added.
    pub has_bias: bool,
    /// What went into the layer, in the form that its weight is multiplied with: standardised by a normalisation.
    pub input: Tensor,
    /// What came out of its linear map.
    pub pre_activation: Tensor,
    /// What became of that before the activation, in a layer that is normalised.
    pub normalised: Option<NormalisedTrace>,
    /// What the layer passes on after its activation: none in an output layer, whose units are not hidden.
    pub features: Option<Tensor>,
    /// Why single samples have no gradient here, if they have none: a part of a sentence.
    pub coupled: Option<&'static str>,
    /// The further uses of a layer that the pass went through more than once.
    pub again: Vec<LayerTrace>,
}

/// What a forward pass leaves of one layer's normalisation, B samples.
#[derive(Debug)]
pub struct NormalisedTrace {
    /// z_hat, the pre-activation standardised, B x out.
    pub standardised: Tensor,
    /// gain * z_hat + shift, B x out.
    pub output: Tensor,
}

impl LayerTrace {
    /// Of one use, without normalisation and features.
    pub fn new(map: LinearMap, has_bias: bool, input: Tensor, pre_activation: Tensor) -> LayerTrace {
        LayerTrace {
            map,
            has_bias,
            input,
            pre_activation,
            normalised: None,
            features: None,
            coupled: None,
            again: Vec::new(),
        }
    }

    /// Whether this is a matrix with a bias, used once on each sample.
    pub fn is_plainly_dense(&self) -> bool {
        self.map == LinearMap::Dense && self.has_bias && self.again.is_empty()
    }

    /// What enters the activation, in the pre-activation's shape: the pre-activation, or what the normalisation made of it.
    pub fn activation_input(&self) -> &Tensor {
        self.normalised.as_ref().map_or(&self.pre_activation, |normalised| &normalised.output)
    }

    /// The same with something made of each tensor.
    pub fn map_tensors(&self, make: &mut impl FnMut(&Tensor) -> Tensor) -> LayerTrace {
        LayerTrace {
            input: make(&self.input),
            pre_activation: make(&self.pre_activation),
            normalised: self.normalised.as_ref().map(|normalised| NormalisedTrace {
                standardised: make(&normalised.standardised),
                output: make(&normalised.output),
            }),
            features: self.features.as_ref().map(&mut *make),
            again: self.again.iter().map(|other| other.map_tensors(make)).collect(),
            ..*self
        }
    }

    /// The same values without their graph.
    pub fn detach(&self) -> LayerTrace {
        self.map_tensors(&mut Tensor::detach)
    }
}

/// The gradients of each sample's own loss where a layer's parameters act on it. With the layer's input a and z_hat, sample
/// i's gradient is d_i a_i^T for the weight, d_i for the bias, e_i * z_hat_i for the gain, and e_i for the shift. In a layer
/// that acts at several positions these are sums over positions, with the patches of the unfolded input for a; of one that is
/// used several times, over its uses.
#[derive(Debug)]
pub struct LayerDelta {
    /// d, at the pre-activation, in its shape.
    pub pre_activation: Tensor,
    /// e, at the normalisation's output, B x out, in a layer that is normalised.
    pub normalised: Option<Tensor>,
    /// Of the further uses.
    pub again: Vec<LayerDelta>,
}

impl LayerDelta {
    /// Of one use.
    pub fn new(pre_activation: Tensor, normalised: Option<Tensor>) -> LayerDelta {
        LayerDelta { pre_activation, normalised, again: Vec::new() }
    }

    /// The same with something made of each tensor.
    pub fn map_tensors(&self, make: &mut impl FnMut(&Tensor) -> Tensor) -> LayerDelta {
        LayerDelta {
            pre_activation: make(&self.pre_activation),
            normalised: self.normalised.as_ref().map(&mut *make),
            again: self.again.iter().map(|other| other.map_tensors(make)).collect(),
        }
    }
}
