//! The section `training` of an experiment: minibatches, optimizer, element type.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tch::{Device, Kind};
use trainability_baselines::options::{OptionError, expected_one_of};
use trainability_baselines::part::PartError;
use trainability_baselines::registry::part;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::Layer;

use crate::optimizer::{OPTIMIZERS, OptimizerFactory, OptimizerKind, optimizer};

/// The element type that a network is trained in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Double precision, about twice as slow.
    F64,
}

impl Precision {
    /// The element type of tensors.
    pub fn kind(self) -> Kind {
        match self {
            Precision::F32 => Kind::Float,
            Precision::F64 => Kind::Double,
        }
    }
}

/// Minibatches and the optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Training {
    /// The optimizer.
    // The default is not written, so that it changes no hash.
    #[serde(skip_serializing_if = "is_default")]
    #[schemars(extend("default" = OPTIMIZERS[0].name, "enum" = OPTIMIZERS.iter().map(|kind| kind.name).collect::<Vec<_>>()))]
    pub optimizer: String,
    /// Images in a minibatch; the last of an epoch may be smaller.
    pub batch_size: usize,
    /// The base learning rate of every layer. Schedules start from it unless they have one of their own.
    pub learning_rate: f64,
    /// The optimizer's own options.
    #[serde(flatten)]
    pub optimizer_options: Map<String, Value>,
    /// The floating-point type.
    pub precision: Precision,
    /// r > 0: the same images, labels, order and initial network, but for the last bit of one weight of each layer, the
    /// r-th; what then differs between replicates is what rounding makes of a run.
    // 0 is not written, so that it changes no hash.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(extend("default" = 0))]
    pub replicate: u64,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            optimizer: OPTIMIZERS[0].name.to_owned(),
            batch_size: 256,
            learning_rate: 1e-3,
            optimizer_options: Map::new(),
            precision: Precision::F32,
            replicate: 0,
        }
    }
}

fn is_default(name: &str) -> bool {
    name == OPTIMIZERS[0].name
}

fn is_zero(replicate: &u64) -> bool {
    *replicate == 0
}

impl Training {
    /// Fills in the defaults of the optimizer's options, and checks all values.
    ///
    /// # Errors
    /// The first value that cannot be, or an option that the optimizer does not have.
    pub fn resolve(&mut self) -> Result<(), PartError> {
        let finite = self.learning_rate > 0.0 && self.learning_rate.is_finite();
        if self.batch_size == 0 {
            return Err(OptionError::new("batch_size", 0, "at least 1").into());
        }
        if !finite {
            return Err(OptionError::new("learning_rate", self.learning_rate, "a finite number above 0").into());
        }
        let Some(kind) = optimizer(&self.optimizer) else {
            let known: Vec<&str> = OPTIMIZERS.iter().map(|kind| kind.name).collect();
            let expected = match part(&self.optimizer) {
                Some(_) => format!("one of {}: it is a method, and stands in `methods`", known.join(", ")),
                None => expected_one_of(&self.optimizer, &known),
            };
            return Err(OptionError::new("optimizer", format!("{:?}", self.optimizer), &expected).into());
        };
        let (_, used) = kind.read(self.optimizer_options.clone().into())?;
        if let Value::Object(used) = used {
            self.optimizer_options = used;
        }
        Ok(())
    }

    /// Leaves out what has been filled in, so that another optimizer can be named.
    ///
    /// # Panics
    /// Where it has not been resolved.
    pub(crate) fn drop_default_options(&mut self) {
        let (_, defaults) = self.optimizer_kind().read(Map::new().into()).expect("defaults are possible");
        self.optimizer_options.retain(|option, value| defaults.get(option.as_str()) != Some(value));
    }

    /// Whether the optimizer has an effective step, or why not.
    ///
    /// # Errors
    /// The reason, a part of a sentence.
    ///
    /// # Panics
    /// Where it has not been resolved.
    pub(crate) fn has_effective_step(&self) -> Result<(), &'static str> {
        self.optimizer_factory()(WeightDecay::None, &[]).has_effective_step()
    }

    /// Whether the optimizer can serve a method with this weight decay in a network of so many layers, or why not.
    ///
    /// # Errors
    /// The reason, a sentence.
    ///
    /// # Panics
    /// Where it has not been resolved.
    pub(crate) fn fits(&self, weight_decay: WeightDecay, layers: usize) -> Result<(), &'static str> {
        let layer = |_| Layer::dense("layer", 1, 1, (Kind::Float, Device::Cpu));
        self.optimizer_factory()(weight_decay, &(0..layers).map(layer).collect::<Vec<Layer>>()).fits()
    }

    /// The optimizer.
    ///
    /// # Panics
    /// Where it has not been resolved.
    pub(crate) fn optimizer_kind(&self) -> &'static OptimizerKind {
        optimizer(&self.optimizer).expect("a resolved optimizer is in the registry")
    }

    /// Builds the optimizer.
    ///
    /// # Panics
    /// Where it has not been resolved.
    pub(crate) fn optimizer_factory(&self) -> OptimizerFactory {
        self.optimizer_kind().read(self.optimizer_options.clone().into()).expect("resolved options have been checked").0
    }
}
