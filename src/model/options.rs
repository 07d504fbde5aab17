//! The section `network`: its kind, which layers, and how wide.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Kind;
use trainability_baselines::activation::relu;
use trainability_baselines::options::OptionError;
use trainability_tensor::Filters;

use super::architecture::Architecture;
use super::residual::ResidualShape;
use super::shape::{Convolutions, Shape};
use super::transformer::TransformerShape;
use crate::data::ImageShape;

/// The kind of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Dense layers alone.
    #[default]
    Mlp,
    /// Convolutions, then dense layers.
    Convolutional,
    /// Of the shape of ResNet-18, with group normalisation.
    Residual,
    /// A transformer encoder over the patches of an image.
    Transformer,
}

impl NetworkKind {
    fn is_mlp(&self) -> bool {
        *self == NetworkKind::Mlp
    }

    /// The word in configurations.
    pub(crate) fn name(self) -> &'static str {
        match self {
            NetworkKind::Mlp => "mlp",
            NetworkKind::Convolutional => "convolutional",
            NetworkKind::Residual => "residual",
            NetworkKind::Transformer => "transformer",
        }
    }
}

/// The network's kind and size. What its kind does not have is not there, and not written, so that it changes no hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Given")]
pub struct NetworkOptions {
    /// Its kind.
    #[serde(skip_serializing_if = "NetworkKind::is_mlp")]
    pub kind: NetworkKind,
    /// Channels of each convolution, or of each stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<i64>>,
    /// Units of each dense hidden layer; of a transformer's blocks.
    pub hidden: Vec<i64>,
    /// Height and width of a convolution's filters, other than 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<i64>,
    /// Pixels from one position of a convolution's output to the next, other than 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<i64>,
    /// Blocks: of each stage, or of a transformer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<i64>,
    /// Groups of channels that are normalised together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<i64>,
    /// Height and width of a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<i64>,
    /// Features of a patch within a transformer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i64>,
    /// Heads of a transformer's attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<i64>,
}

/// The section as it stands in the file. Defaults depend on the kind.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Given {
    /// The network's kind.
    kind: NetworkKind,
    /// Channels of each convolution, `[16, 32, 64, 64]` where it is left out; of each stage of a residual network,
    /// `[64, 128, 256, 512]`.
    channels: Option<Vec<i64>>,
    /// Units of each dense hidden layer, `[256, 256]` where it is left out; `[256]` above convolutions; of a transformer those of
    /// the hidden layer in each block, `[128]`.
    hidden: Option<Vec<i64>>,
    /// Height and width of each convolution's filters, 3 where it is left out; only in a convolutional network. Zeros around the
    /// image keep its size at stride 1.
    filters: Option<i64>,
    /// Pixels from one position of a convolution's output to the next, 2 where it is left out; only in a convolutional network.
    stride: Option<i64>,
    /// Blocks of each stage of a residual network, or of a transformer, 2 where it is left out.
    blocks: Option<i64>,
    /// Groups of channels that a residual network normalises together, 8 where it is left out.
    groups: Option<i64>,
    /// Height and width of a transformer's patches, 4 where it is left out.
    patch: Option<i64>,
    /// Features of a patch within a transformer, 64 where it is left out.
    width: Option<i64>,
    /// Heads of a transformer's attention, 4 where it is left out.
    heads: Option<i64>,
}

impl From<Given> for NetworkOptions {
    fn from(given: Given) -> NetworkOptions {
        let Given { kind, channels, hidden, filters, stride, blocks, groups, patch, width, heads } = given;
        // What stands for the default is the default, under one hash.
        let other = |value: Option<i64>, default: i64| value.filter(|value| *value != default);
        let plain = NetworkOptions {
            kind,
            channels,
            hidden: hidden.clone().unwrap_or_default(),
            filters: other(filters, 3),
            stride: other(stride, 2),
            blocks,
            groups,
            patch,
            width,
            heads,
        };
        match kind {
            NetworkKind::Mlp => NetworkOptions { hidden: hidden.unwrap_or_else(|| vec![256, 256]), ..plain },
            NetworkKind::Convolutional => NetworkOptions {
                channels: Some(plain.channels.unwrap_or_else(|| vec![16, 32, 64, 64])),
                hidden: hidden.unwrap_or_else(|| vec![256]),
                ..plain
            },
            NetworkKind::Residual => NetworkOptions {
                channels: Some(plain.channels.unwrap_or_else(|| vec![64, 128, 256, 512])),
                blocks: Some(blocks.unwrap_or(2)),
                groups: Some(groups.unwrap_or(8)),
                ..plain
            },
            NetworkKind::Transformer => NetworkOptions {
                hidden: hidden.unwrap_or_else(|| vec![128]),
                blocks: Some(blocks.unwrap_or(2)),
                patch: Some(patch.unwrap_or(4)),
                width: Some(width.unwrap_or(64)),
                heads: Some(heads.unwrap_or(4)),
                ..plain
            },
        }
    }
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Given::default().into()
    }
}

/// The most units of a layer.
const MOST_UNITS: i64 = 65_536;
/// The most channels of a convolution.
const MOST_CHANNELS: i64 = 4096;
/// The most of what is counted by hand.
const MOST_COUNTED: i64 = 256;

impl NetworkOptions {
    /// What options there are, a JSON Schema.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Given).to_value()
    }

    /// Refuses a value that cannot be.
    ///
    /// # Errors
    /// The first one.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        use NetworkKind::{Convolutional, Mlp, Residual, Transformer};
        let within = |widths: &[i64], most| widths.iter().all(|width| (1..=most).contains(width));
        let shown = format!("{:?}", self.channels.as_deref().unwrap_or_default());
        if matches!(self.kind, Mlp | Transformer) && self.channels.is_some() {
            return Err(OptionError::new("channels", shown, "left out, or `network.kind` = \"convolutional\""));
        }
        let has_channels = matches!(self.kind, Convolutional | Residual);
        if has_channels && !self.channels.as_ref().is_some_and(|c| !c.is_empty() && within(c, MOST_CHANNELS)) {
            let expected = format!("at least one number of channels, each from 1 to {MOST_CHANNELS}");
            return Err(OptionError::new("channels", shown, &expected));
        }
        let hidden = match self.kind {
            Mlp => (!self.hidden.is_empty(), "at least one width, each"),
            Convolutional => (true, "widths, each"),
            Residual => {
                (self.hidden.is_empty(), "left out, as a residual network has no dense hidden layers; else widths")
            }
            Transformer => (self.hidden.len() == 1, "one width,"),
        };
        if !within(&self.hidden, MOST_UNITS) || !hidden.0 {
            let expected = format!("{} from 1 to {MOST_UNITS}", hidden.1);
            return Err(OptionError::new("hidden", format!("{:?}", self.hidden), &expected));
        }
        for (name, value, kinds, most) in [
            ("filters", self.filters, &[Convolutional][..], MOST_COUNTED),
            ("stride", self.stride, &[Convolutional], MOST_COUNTED),
            ("blocks", self.blocks, &[Residual, Transformer], MOST_COUNTED),
            ("groups", self.groups, &[Residual], MOST_CHANNELS),
            ("patch", self.patch, &[Transformer], MOST_COUNTED),
            ("width", self.width, &[Transformer], MOST_UNITS),
            ("heads", self.heads, &[Transformer], MOST_COUNTED),
        ] {
            let Some(value) = value else { continue };
            if !kinds.contains(&self.kind) {
                let names: Vec<String> = kinds.iter().map(|kind| format!("{:?}", kind.name())).collect();
                let expected = format!("left out, or `network.kind` = {}", names.join(" or "));
                return Err(OptionError::new(name, value, &expected));
            }
            if !(1..=most).contains(&value) {
                return Err(OptionError::new(name, value, &format!("a whole number from 1 to {most}")));
            }
        }
        if let Some(odd) = self.groups.and_then(|groups| self.channels.iter().flatten().find(|c| *c % groups != 0)) {
            let expected = format!("a number that divides the channels of every stage, {odd} among them");
            return Err(OptionError::new("groups", self.groups.unwrap_or(1), &expected));
        }
        if let Some((heads, width)) = self.heads.zip(self.width).filter(|(heads, width)| width % heads != 0) {
            return Err(OptionError::new("heads", heads, &format!("a number that divides the width, {width}")));
        }
        Ok(())
    }

    /// Whether it sees an image as pixels beside each other.
    pub(crate) fn sees_pixels(&self) -> bool {
        self.kind != NetworkKind::Mlp
    }

    /// The filters of a convolutional network.
    fn filters(&self) -> Filters {
        let side = self.filters.unwrap_or(3);
        Filters::square(side, self.stride.unwrap_or(2), side / 2)
    }

    /// Refuses what images of that shape do not allow.
    ///
    /// # Errors
    /// The first option.
    pub(crate) fn check_for(&self, image: ImageShape) -> Result<(), OptionError> {
        let (rows, columns) = (image.rows as i64, image.columns as i64);
        if let (NetworkKind::Convolutional, Some(channels)) = (self.kind, &self.channels) {
            let filters = self.filters();
            let (mut sides, mut most) = ([rows, columns], 0);
            // A convolution on a single pixel has nothing to see.
            while most < channels.len() && sides != [1, 1] && sides.iter().all(|side| *side > 0) {
                sides = filters.output_sides(sides);
                most += 1;
            }
            if most < channels.len() || sides.iter().any(|side| *side < 1) {
                let sides = format!("{rows} x {columns} pixels");
                let expected = match filters.stride[0] {
                    2 => format!("at most {most} convolutions for {sides}, each of which halves them"),
                    stride => format!("at most {most} convolutions of stride {stride} for {sides}"),
                };
                return Err(OptionError::new("channels", format!("{channels:?}"), &expected));
            }
        }
        match self.patch {
            Some(patch) if rows % patch != 0 || columns % patch != 0 => {
                let expected = format!("a number that divides height and width of the images, {rows} and {columns}");
                Err(OptionError::new("patch", patch, &expected))
            }
            _ => Ok(()),
        }
    }

    /// The names of its layers, in order.
    pub(crate) fn layer_names(&self) -> Vec<String> {
        // They do not depend on the images.
        let image = ImageShape { channels: 1, rows: 1, columns: 1 };
        let layers = self.architecture(image, 1, Kind::Float).layers(&relu::Relu);
        layers.into_iter().map(|layer| layer.name).collect()
    }

    /// The network for images of that shape, in that element type.
    pub(crate) fn architecture(&self, image: ImageShape, outputs: i64, kind: Kind) -> Architecture {
        let count = |value: Option<i64>| value.unwrap_or(1);
        let channels = self.channels.clone();
        match self.kind {
            NetworkKind::Mlp | NetworkKind::Convolutional => {
                let filters = self.filters();
                let convolutions = channels.map(|channels| Convolutions { image, channels, filters });
                let inputs = image.features() as i64;
                Architecture::Chain(Shape { inputs, convolutions, hidden: self.hidden.clone(), outputs, kind })
            }
            NetworkKind::Residual => Architecture::Residual(ResidualShape {
                image,
                channels: channels.unwrap_or_default(),
                blocks: count(self.blocks),
                groups: count(self.groups),
                outputs,
                kind,
            }),
            NetworkKind::Transformer => Architecture::Transformer(TransformerShape {
                image,
                patch: count(self.patch),
                width: count(self.width),
                blocks: count(self.blocks),
                heads: count(self.heads),
                hidden: self.hidden[0],
                outputs,
                kind,
            }),
        }
    }
}
