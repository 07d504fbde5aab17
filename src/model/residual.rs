//! A residual network for small images, of the shape of ResNet-18 (He et al., arXiv 1512.03385) with group normalisation in the
//! place of batch normalisation, so that each sample has a gradient of its own.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_tensor::{Filters, Generator, Layer, LinearMap, NormalisedOver, Standardisation};

use super::definition::Model;
use super::initialisation::initialise;
use super::pass::Pass;
use super::shape::LayerShape;
use crate::data::ImageShape;

/// What a residual network is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidualShape {
    /// How an input's features lie in the image.
    pub image: ImageShape,
    /// Channels of each stage, `layer1`, `layer2`, ..., the stem's being the first's; every stage but the first halves height and width.
    pub channels: Vec<i64>,
    /// Blocks of each stage.
    pub blocks: i64,
    /// Groups that each normalisation makes of its channels.
    pub groups: i64,
    /// Classes.
    pub outputs: i64,
    /// The element type.
    pub kind: Kind,
}

/// One block: two convolutions beside a way past them, which has a convolution of its own where the shape changes.
struct ResidualBlock {
    name: String,
    inputs: i64,
    outputs: i64,
    stride: i64,
}

impl ResidualBlock {
    fn changes(&self) -> bool {
        self.stride > 1 || self.inputs != self.outputs
    }

    /// Name, inputs and filters of its convolutions; each is followed by a normalisation.
    fn convolutions(&self) -> Vec<(String, i64, Filters)> {
        let named = |part: &str| format!("{}.{part}", self.name);
        let mut all = vec![
            (named("conv1"), self.inputs, Filters::square(3, self.stride, 1)),
            (named("conv2"), self.outputs, Filters::square(3, 1, 1)),
        ];
        if self.changes() {
            all.push((named("shortcut"), self.inputs, Filters::square(1, self.stride, 0)));
        }
        all
    }
}

impl ResidualShape {
    fn blocks(&self) -> Vec<ResidualBlock> {
        let mut inputs = self.channels[0];
        let mut blocks = Vec::new();
        for (stage, &outputs) in self.channels.iter().enumerate() {
            for block in 0..self.blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", stage + 1);
                blocks.push(ResidualBlock { name, inputs, outputs, stride });
                inputs = outputs;
            }
        }
        blocks
    }

    /// Every layer in order.
    pub(crate) fn layers(&self) -> Vec<LayerShape> {
        let rule = LinearMap::Normalisation(Standardisation::new(NormalisedOver::Group(self.groups)));
        let mut layers = Vec::new();
        let mut add = |name: String, inputs: i64, channels: i64, filters: Filters, sides: [i64; 2]| {
            let sides = filters.output_sides(sides);
            let weight = filters.weight_shape(channels, inputs).to_vec();
            layers.push(LayerShape { name: name.clone(), map: LinearMap::Convolution(filters), weight, sides });
            let norm = match name.contains("conv") {
                true => name.replace("conv", "norm"),
                false => format!("{name}.norm"),
            };
            layers.push(LayerShape { name: norm, map: rule, weight: vec![channels], sides });
            sides
        };
        let mut sides = [self.image.rows as i64, self.image.columns as i64];
        let inputs = self.image.channels as i64;
        sides = add("conv1".to_owned(), inputs, self.channels[0], Filters::square(3, 1, 1), sides);
        for block in self.blocks() {
            let mut inside = sides;
            for (name, inputs, filters) in block.convolutions() {
                let from = if name.ends_with("conv2") { inside } else { sides };
                inside = add(name, inputs, block.outputs, filters, from);
            }
            sides = inside;
        }
        let features = self.channels[self.channels.len() - 1];
        let weight = vec![self.outputs, features];
        layers.push(LayerShape { name: "fc".to_owned(), map: LinearMap::Dense, weight, sides: [1, 1] });
        layers
    }
}

/// A residual network, its layers named as PyTorch names those of ResNets: a stem, stages of blocks, the mean over pixels, and a
/// dense head. Convolutions have no bias, as a normalisation comes after each.
#[derive(Debug)]
pub(crate) struct ResidualNetwork {
    layers: Vec<Layer>,
    activation: Box<dyn Activation>,
    shape: ResidualShape,
}

impl ResidualNetwork {
    /// With Kaiming-uniform weights, gains of 1, and zeros elsewhere.
    pub(crate) fn new(
        shape: ResidualShape,
        activation: Box<dyn Activation>,
        device: Device,
        generator: &mut Generator,
    ) -> ResidualNetwork {
        let layers = shape.layers().iter().map(|layer| layer.build((shape.kind, device))).collect();
        let mut network = ResidualNetwork { layers, activation, shape };
        network.initialise(generator);
        network
    }
}

impl Model for ResidualNetwork {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.layers
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let ImageShape { channels, rows, columns } = self.shape.image;
        let mut layers = self.layers.iter();
        let mut next = || layers.next().expect("a layer for each of the shape");
        let mut convolve = |pass: &mut Pass, x: &Tensor| {
            let x = pass.layer(next(), x);
            let norm = next();
            (pass.layer(norm, &x), norm)
        };
        let activate = |x: &Tensor, norm: &Layer| self.activation.forward(x, norm.map);
        let (x, norm) = convolve(pass, &inputs.reshape([-1, channels as i64, rows as i64, columns as i64]));
        let mut x = pass.hidden(&norm.name, activate(&x, norm));
        for block in self.shape.blocks() {
            let (inside, norm) = convolve(pass, &x);
            let inside = pass.hidden(&norm.name, activate(&inside, norm));
            let (inside, norm) = convolve(pass, &inside);
            let past = if block.changes() { convolve(pass, &x).0 } else { x };
            x = activate(&(inside + past), norm);
        }
        let head = self.layers.last().expect("there is a head");
        pass.layer(head, &x.mean_dim([2i64, 3].as_slice(), false, x.kind()))
    }

    fn initialise(&mut self, generator: &mut Generator) {
        initialise(&mut self.layers, generator);
    }
}
