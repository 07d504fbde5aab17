//! A small transformer encoder over the patches of an image (Vaswani et al., arXiv 1706.03762; Dosovitskiy et al., arXiv
//! 2010.11929), with normalisation before each part and the mean over patches at the end.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_tensor::{Generator, Layer, LinearMap, NormalisedOver, Standardisation};

use super::definition::Model;
use super::pass::Pass;
use super::shape::LayerShape;
use crate::data::ImageShape;

/// What a transformer is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformerShape {
    /// How an input's features lie in the image.
    pub image: ImageShape,
    /// Height and width of a patch, which divide the image's.
    pub patch: i64,
    /// Features of a patch within the network.
    pub width: i64,
    /// Blocks.
    pub blocks: i64,
    /// Heads of each attention, which divide the width.
    pub heads: i64,
    /// Units of each block's hidden layer.
    pub hidden: i64,
    /// Classes.
    pub outputs: i64,
    /// The element type.
    pub kind: Kind,
}

const RULE: LinearMap = LinearMap::Normalisation(Standardisation::new(NormalisedOver::Units));
/// Layers of a block.
const OF_BLOCK: usize = 8;

impl TransformerShape {
    fn patches(&self) -> i64 {
        self.image.rows as i64 / self.patch * (self.image.columns as i64 / self.patch)
    }

    /// Every layer in order.
    pub(crate) fn layers(&self) -> Vec<LayerShape> {
        let (width, sides) = (self.width, [self.patches(), 1]);
        let layer = |name: String, map, weight: &[i64]| LayerShape { name, map, weight: weight.to_vec(), sides };
        let features = self.image.channels as i64 * self.patch * self.patch;
        let mut layers = vec![
            layer("patches".to_owned(), LinearMap::Shared, &[width, features]),
            layer("positions".to_owned(), LinearMap::Embedding, &[self.patches(), width]),
        ];
        for block in 1..=self.blocks {
            let named = |part: &str| format!("block{block}.{part}");
            layers.push(layer(named("norm1"), RULE, &[width]));
            for part in ["query", "key", "value", "out"] {
                layers.push(layer(named(part), LinearMap::Shared, &[width, width]));
            }
            layers.push(layer(named("norm2"), RULE, &[width]));
            layers.push(layer(named("fc1"), LinearMap::Shared, &[self.hidden, width]));
            layers.push(layer(named("fc2"), LinearMap::Shared, &[width, self.hidden]));
        }
        layers.push(layer("norm".to_owned(), RULE, &[width]));
        let weight = vec![self.outputs, width];
        layers.push(LayerShape { name: "head".to_owned(), map: LinearMap::Dense, weight, sides: [1, 1] });
        layers
    }
}

/// A transformer encoder over patches.
#[derive(Debug)]
pub(crate) struct PatchTransformer {
    layers: Vec<Layer>,
    activation: Box<dyn Activation>,
    shape: TransformerShape,
}

impl PatchTransformer {
    /// With Kaiming-uniform weights, small positions, gains of 1, and zeros elsewhere.
    pub(crate) fn new(
        shape: TransformerShape,
        activation: Box<dyn Activation>,
        device: Device,
        generator: &mut Generator,
    ) -> PatchTransformer {
        let layers = shape.layers().iter().map(|layer| layer.build((shape.kind, device))).collect();
        let mut network = PatchTransformer { layers, activation, shape };
        network.initialise(generator);
        network
    }

    /// B x T x width to the same, each position a mean of values over all.
    fn attend(&self, [query, key, value, out]: [&Layer; 4], x: &Tensor, pass: &mut Pass) -> Tensor {
        let per_head = self.shape.width / self.shape.heads;
        let heads = |x: Tensor| x.unflatten(2, [self.shape.heads, per_head]).transpose(1, 2);
        let [q, k, v] = [query, key, value].map(|layer| heads(pass.layer(layer, x)));
        let weights = (q.matmul(&k.transpose(-2, -1)) / (per_head as f64).sqrt()).softmax(-1, x.kind());
        pass.layer(out, &weights.matmul(&v).transpose(1, 2).flatten(2, 3))
    }
}

impl Model for PatchTransformer {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.layers
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        let ImageShape { channels, rows, columns } = self.shape.image;
        let (side, samples) = (self.shape.patch, inputs.size()[0]);
        let planes = inputs.reshape([-1, channels as i64, rows as i64, columns as i64]);
        let patches = planes.im2col([side, side], [1, 1], [0, 0], [side, side]).transpose(1, 2);
        let [embed, positions, blocks @ .., norm, head] = &self.layers[..] else { unreachable!("a block at least") };
        let places = Tensor::arange(self.shape.patches(), (Kind::Int64, inputs.device())).expand([samples, -1], false);
        let mut x = pass.layer(embed, &patches) + pass.layer(positions, &places);
        for block in blocks.chunks_exact(OF_BLOCK) {
            let [norm1, query, key, value, out, norm2, fc1, fc2] = block else { unreachable!("eight layers a block") };
            let normalised = pass.layer(norm1, &x);
            x = &x + self.attend([query, key, value, out], &normalised, pass);
            let normalised = pass.layer(norm2, &x);
            let hidden = pass.hidden_layer(fc1, &normalised, |x| self.activation.forward(x, fc1.map));
            x = &x + pass.layer(fc2, &hidden);
        }
        let x = pass.layer(norm, &x);
        pass.layer(head, &x.mean_dim([1i64].as_slice(), false, x.kind()))
    }
}
