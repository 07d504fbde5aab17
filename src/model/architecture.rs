//! What a network is, whatever its kind: its layers, and how it is built.

use tch::Device;
use trainability_baselines::activation::Activation;
use trainability_baselines::method::Method;
use trainability_baselines::normalization::Normalization;
use trainability_tensor::Generator;

use super::chain::Chain;
use super::definition::Model;
use super::residual::{ResidualNetwork, ResidualShape};
use super::shape::{LayerShape, Shape};
use super::transformer::{PatchTransformer, TransformerShape};

/// A kind of network with all its sizes.
#[derive(Clone, Debug, PartialEq)]
pub enum Architecture {
    /// Layers one after the other.
    Chain(Shape),
    /// Blocks with ways past them.
    Residual(ResidualShape),
    /// Attention over patches.
    Transformer(TransformerShape),
}

impl Architecture {
    /// Every layer in order, with an activation that may widen what the next one of a chain sees.
    pub(crate) fn layers(&self, activation: &dyn Activation) -> Vec<LayerShape> {
        match self {
            Architecture::Chain(shape) => shape.layers(activation),
            Architecture::Residual(shape) => shape.layers(),
            Architecture::Transformer(shape) => shape.layers(),
        }
    }

    /// A chain of as many parameters as it has with a ReLU; other kinds as they are, which no activation widens.
    pub(crate) fn matched(&self, method: &Method) -> Architecture {
        match self {
            Architecture::Chain(shape) => {
                Architecture::Chain(shape.matched(method.activation.as_ref(), method.normalization.is_some()))
            }
            other => other.clone(),
        }
    }

    /// A network of this kind, its parameters drawn. Only a chain takes a normalisation: the others have their own.
    pub fn build(
        self,
        activation: Box<dyn Activation>,
        normalization: Option<Box<dyn Normalization>>,
        device: Device,
        generator: &mut Generator,
    ) -> Box<dyn Model> {
        match self {
            Architecture::Chain(shape) => {
                Chain::with_normalization(shape, activation, normalization, device, generator).into()
            }
            Architecture::Residual(shape) => ResidualNetwork::new(shape, activation, device, generator).into(),
            Architecture::Transformer(shape) => PatchTransformer::new(shape, activation, device, generator).into(),
        }
    }
}
