//! The section `network`: which layers, and how wide.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Kind;
use trainability_baselines::activation::relu;
use trainability_baselines::options::OptionError;

use super::shape::{Convolutions, Shape};
use crate::data::ImageShape;

/// Which layers a network begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Dense layers alone.
    #[default]
    Mlp,
    /// Convolutions, then dense layers.
    Convolutional,
}

impl NetworkKind {
    fn is_mlp(&self) -> bool {
        *self == NetworkKind::Mlp
    }
}

/// The network's kind and size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Given")]
pub struct NetworkOptions {
    /// Which layers it begins with.
    #[serde(skip_serializing_if = "NetworkKind::is_mlp")]
    pub kind: NetworkKind,
    /// Channels of each convolution; none in a multi-layer perceptron.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<i64>>,
    /// Units of each dense hidden layer.
    pub hidden: Vec<i64>,
}

/// The section as it stands in the file. Defaults depend on the kind.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Given {
    /// What the network begins with.
    kind: NetworkKind,
    /// Channels of each convolution, `[16, 32, 64, 64]` where it is left out; only in a convolutional network.
    channels: Option<Vec<i64>>,
    /// Units of each dense hidden layer, `[256, 256]` where it is left out; `[256]` above convolutions.
    hidden: Option<Vec<i64>>,
}

impl From<Given> for NetworkOptions {
    fn from(Given { kind, channels, hidden }: Given) -> NetworkOptions {
        match kind {
            NetworkKind::Mlp => NetworkOptions { kind, channels, hidden: hidden.unwrap_or_else(|| vec![256, 256]) },
            NetworkKind::Convolutional => NetworkOptions {
                kind,
                channels: Some(channels.unwrap_or_else(|| vec![16, 32, 64, 64])),
                hidden: hidden.unwrap_or_else(|| vec![256]),
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
        let within = |widths: &[i64], most| widths.iter().all(|width| (1..=most).contains(width));
        let shown = format!("{:?}", self.channels.as_deref().unwrap_or_default());
        let convolutional = self.kind == NetworkKind::Convolutional;
        if !convolutional && self.channels.is_some() {
            return Err(OptionError::new("channels", shown, "left out, or `network.kind` = \"convolutional\""));
        }
        if convolutional && !self.channels.as_ref().is_some_and(|c| !c.is_empty() && within(c, MOST_CHANNELS)) {
            let expected = format!("at least one number of channels, each from 1 to {MOST_CHANNELS}");
            return Err(OptionError::new("channels", shown, &expected));
        }
        if !within(&self.hidden, MOST_UNITS) || (self.hidden.is_empty() && !convolutional) {
            let some = if convolutional { "widths" } else { "at least one width" };
            let expected = format!("{some}, each from 1 to {MOST_UNITS}");
            return Err(OptionError::new("hidden", format!("{:?}", self.hidden), &expected));
        }
        Ok(())
    }

    /// How many convolutions an image allows: each halves the sides, and one on a single pixel has nothing to see.
    pub(crate) fn most_convolutions(image: ImageShape) -> usize {
        image.rows.max(image.columns).next_power_of_two().ilog2() as usize
    }

    /// The names of its layers, in order.
    pub(crate) fn layer_names(&self) -> Vec<String> {
        // They do not depend on the images.
        let shape = self.shape(ImageShape { channels: 1, rows: 1, columns: 1 }, 1, Kind::Float);
        shape.layers(&relu::Relu).into_iter().map(|layer| layer.name).collect()
    }

    /// The network for images of that shape, in that element type.
    pub fn shape(&self, image: ImageShape, classes: u8, kind: Kind) -> Shape {
        let convolutions = self.channels.clone().map(|channels| Convolutions { image, channels });
        let inputs = image.features() as i64;
        Shape { inputs, convolutions, hidden: self.hidden.clone(), outputs: i64::from(classes), kind }
    }
}
