//! What a network is made of: its sizes, and how many parameters they come to.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::{Activation, relu};
use trainability_tensor::{Filters, Layer, LinearMap};

use crate::data::ImageShape;

/// What a network is made of: convolutions if there are any, dense hidden layers, and the output layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Features of an input.
    pub inputs: i64,
    /// The convolutions below the dense layers; none in a multi-layer perceptron.
    pub convolutions: Option<Convolutions>,
    /// Units of each dense hidden layer.
    pub hidden: Vec<i64>,
    /// Classes.
    pub outputs: i64,
    /// f32, or f64 where exactness matters more than speed.
    pub kind: Kind,
}

/// The convolutions of a network, from the image upwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolutions {
    /// How an input's features lie in the image.
    pub image: ImageShape,
    /// Channels of each layer, at least one layer.
    pub channels: Vec<i64>,
    /// How each layer's filters lie on its input.
    pub filters: Filters,
}

/// A layer of a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerShape {
    /// `conv1`, `conv2`, ..., `fc1`, `fc2`, ...
    pub name: String,
    /// Its linear map.
    pub map: LinearMap,
    /// Sizes of the weight, out x in or out x in x height x width.
    pub weight: Vec<i64>,
    /// Height and width of the pre-activation's planes; 1 and 1 in a dense layer.
    pub sides: [i64; 2],
}

impl LayerShape {
    /// Units, or channels.
    pub fn units(&self) -> i64 {
        self.weight[0]
    }

    /// Inputs of a unit, taps counted in.
    pub(crate) fn fan_in(&self) -> i64 {
        self.weight[1..].iter().product()
    }

    /// Positions at which a unit's pre-activation is computed.
    pub fn positions(&self) -> i64 {
        self.sides[0] * self.sides[1]
    }

    /// Scalars of weight and, in most layers, bias.
    pub(crate) fn parameter_count(&self) -> i64 {
        self.units() * (self.fan_in() + 1)
    }

    /// A layer of zeros, to be initialised: tables and convolutions that a normalisation follows have no bias.
    pub(crate) fn build(&self, options: (Kind, Device)) -> Layer {
        let weight = Tensor::zeros(self.weight.as_slice(), options);
        match self.map {
            LinearMap::Embedding | LinearMap::Convolution(_) => Layer::without_bias(&self.name, self.map, weight),
            map => Layer::of(&self.name, map, weight, Tensor::zeros([self.units()], options)),
        }
    }
}

impl Shape {
    /// Every layer in order, with an activation that may widen what the next one sees.
    pub fn layers(&self, activation: &dyn Activation) -> Vec<LayerShape> {
        let mut layers = Vec::new();
        let mut inputs = self.inputs;
        if let Some(Convolutions { image, channels, filters }) = &self.convolutions {
            let mut sides = [image.rows as i64, image.columns as i64];
            inputs = image.channels as i64;
            for (index, &channels) in channels.iter().enumerate() {
                sides = filters.output_sides(sides);
                let weight = filters.weight_shape(channels, inputs).to_vec();
                layers.push(LayerShape {
                    name: format!("conv{}", index + 1),
                    map: LinearMap::Convolution(*filters),
                    weight,
                    sides,
                });
                inputs = activation.features(channels);
            }
            inputs *= sides[0] * sides[1];
        }
        for (index, &units) in self.hidden.iter().chain([&self.outputs]).enumerate() {
            let name = format!("fc{}", index + 1);
            layers.push(LayerShape { name, map: LinearMap::Dense, weight: vec![units, inputs], sides: [1, 1] });
            inputs = activation.features(units);
        }
        layers
    }

    /// Scalars of a network of this shape with this activation, its hidden layers normalised or not.
    pub(crate) fn parameter_count(&self, activation: &dyn Activation, normalised: bool) -> i64 {
        let layers = self.layers(activation);
        // A gain and a shift a unit.
        let gains: i64 = layers[..layers.len() - 1].iter().map(|layer| 2 * layer.units()).sum();
        let maps: i64 = layers.iter().map(LayerShape::parameter_count).sum();
        if normalised { maps + gains } else { maps }
    }

    /// The shape with its hidden layers and channels narrowed by one factor, so that with this activation, and
    /// normalised or not, it has as many parameters as this shape has without normalisation and with an activation that
    /// widens nothing, as nearly as whole units allow.
    pub(crate) fn matched(&self, activation: &dyn Activation, normalised: bool) -> Shape {
        let target = self.parameter_count(&relu::Relu, false);
        let channels = self.convolutions.iter().flat_map(|convolutions| &convolutions.channels);
        let Some(&widest) = self.hidden.iter().chain(channels).max() else { return self.clone() };
        let narrowed = (1..=widest).map(|width| {
            let scale = width as f64 / widest as f64;
            let narrow = |units: &Vec<i64>| {
                units.iter().map(|&units| ((units as f64 * scale).round() as i64).max(1)).collect::<Vec<i64>>()
            };
            let convolutions = self
                .convolutions
                .as_ref()
                .map(|convolutions| Convolutions { channels: narrow(&convolutions.channels), ..convolutions.clone() });
            Shape { hidden: narrow(&self.hidden), convolutions, ..self.clone() }
        });
        let distance = |shape: &Shape| (shape.parameter_count(activation, normalised) - target).abs();
        narrowed.min_by_key(distance).unwrap_or_else(|| self.clone())
    }
}
