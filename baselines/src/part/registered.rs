//! A part of a method as a configuration names it: what it adds, and how it is built from its options.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::activation::{Activation, Widths};
use super::gradient_rule::GradientRule;
use super::normalization::Normalization;
use super::penalty::Penalty;
use super::second_pass::SecondPass;
use super::surgery::Surgery;
use crate::options::OptionError;
use crate::weight_decay::WeightDecay;

/// What a part adds to a method.
#[derive(Debug)]
pub enum Contribution {
    /// Replaces the default activation, and says how wide the layers before it are.
    Activation(Box<dyn Activation>, Widths),
    /// Normalises what enters the activation.
    Normalization(Box<dyn Normalization>),
    /// Adds a term to the loss.
    Penalty(Box<dyn Penalty>),
    /// Sets the optimizer's weight decay.
    WeightDecay(WeightDecay),
    /// Changes the gradient before the optimizer takes it.
    GradientRule(Box<dyn GradientRule>),
    /// Changes the gradient by another pass over the minibatch.
    SecondPass(Box<dyn SecondPass>),
    /// Intervenes on weights and optimizer.
    Surgery(Box<dyn Surgery>),
    /// Several of these at once, under one name.
    Several(Vec<Contribution>),
}

impl Contribution {
    /// What it adds, one by one.
    pub(crate) fn single(self) -> Vec<Contribution> {
        match self {
            Contribution::Several(all) => all.into_iter().flat_map(Contribution::single).collect(),
            one => vec![one],
        }
    }
}

/// The options of a part: plain data with defaults, which build the part.
pub trait PartOptions: DeserializeOwned + Serialize + JsonSchema + Default {
    /// Checks the values and builds the part.
    ///
    /// # Errors
    /// A value that the part cannot work with.
    fn build(self) -> Result<Contribution, OptionError>;
}

/// Why a part could not be built.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// Unknown keys or values of the wrong type.
    #[error(transparent)]
    Options(#[from] serde_json::Error),
    /// A value out of range.
    #[error(transparent)]
    Value(#[from] OptionError),
}

/// A registry entry.
#[derive(Debug)]
pub struct Part {
    /// The name in configurations.
    pub name: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// Whether schedules other than `constant` make sense with it.
    pub schedulable: bool,
    defaults: fn() -> Value,
    schema: fn() -> Value,
    build: Build,
}

#[derive(Debug)]
enum Build {
    Plain(fn() -> Contribution),
    WithOptions(fn(Value) -> Result<(Contribution, Value), PartError>),
}

/// Those of a part that has none.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl Part {
    /// An entry whose options are `O`.
    pub const fn of<O: PartOptions>(name: &'static str, about: &'static str) -> Part {
        let build = Build::WithOptions(build::<O>);
        Part { name, about, schedulable: true, defaults: default_options::<O>, schema: schema::<O>, build }
    }

    /// An entry that has no options.
    pub(crate) const fn without_options(name: &'static str, about: &'static str, plain: fn() -> Contribution) -> Part {
        let (defaults, schema) = (default_options::<NoOptions>, schema::<NoOptions>);
        Part { name, about, schedulable: true, defaults, schema, build: Build::Plain(plain) }
    }

    /// The same, run under the constant schedule alone.
    pub(crate) const fn constant_only(self) -> Part {
        Part { schedulable: false, ..self }
    }

    /// The options with their default values, a JSON object.
    pub fn default_options(&self) -> Value {
        (self.defaults)()
    }

    /// What options there are, a JSON Schema.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Builds the part; also returns all its options with the values that are used.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong type or out of range.
    pub fn build(&self, options: Value) -> Result<(Contribution, Value), PartError> {
        match self.build {
            Build::Plain(plain) => Ok((plain(), serde_json::to_value(NoOptions::deserialize(options)?)?)),
            Build::WithOptions(build) => build(options),
        }
    }
}

fn default_options<O: Default + Serialize>() -> Value {
    serde_json::to_value(O::default()).unwrap_or(Value::Null)
}

fn schema<O: JsonSchema>() -> Value {
    schemars::schema_for!(O).to_value()
}

fn build<O: PartOptions>(options: Value) -> Result<(Contribution, Value), PartError> {
    let options: O = serde_json::from_value(options)?;
    let used = serde_json::to_value(&options)?;
    Ok((options.build()?, used))
}
