//! The registry of parts and how a method is put together from them.
//!
//! A method is a list of parts: an activation, penalties, a weight decay, surgery. To add a part, write its file, with
//! a `PART` of its own, and name it in [`PARTS`].

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::activation::{self, Activation};
use crate::penalty::{self, Penalty};
use crate::surgery::{self, Surgery};

/// Every part that a configuration can name.
pub const PARTS: &[&Part] = &[
    &activation::relu::PART,
    &activation::crelu::PART,
    &penalty::l2_adam::PART,
    &penalty::l2_loss::PART,
    &penalty::adamw::PART,
    &penalty::wasserstein::PART,
    &penalty::spectral::PART,
    &surgery::reset::PART,
];

/// How the optimizer shrinks the weights, apart from the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum WeightDecay {
    /// Not at all.
    #[default]
    None,
    /// The coefficient times the weights joins the gradient before the moments (Adam's own `weight_decay`).
    Coupled(f64),
    /// The weights shrink by learning rate times coefficient beside the step (AdamW).
    Decoupled(f64),
}

/// What a part adds to a method.
#[derive(Debug)]
pub enum Contribution {
    /// Replaces the default activation.
    Activation(Box<dyn Activation>),
    /// Adds a term to the loss.
    Penalty(Box<dyn Penalty>),
    /// Sets the optimizer's weight decay.
    WeightDecay(WeightDecay),
    /// Intervenes on weights and optimizer.
    Surgery(Box<dyn Surgery>),
}

/// A value that a part cannot work with.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
pub struct OptionError {
    /// The option's key.
    pub key: String,
    /// What was given.
    pub found: String,
    /// What would have been right.
    pub expected: String,
}

impl OptionError {
    /// Refuses `found` for `key`.
    pub fn new(key: &str, found: impl ToString, expected: &str) -> OptionError {
        OptionError { key: key.to_owned(), found: found.to_string(), expected: expected.to_owned() }
    }
}

/// The coefficient of a penalty or a decay, if it is one that does something.
///
/// # Errors
/// Zero, negative, infinite or not a number: a method that is switched off must not run under its own name.
pub fn check_coefficient(coefficient: f64) -> Result<f64, OptionError> {
    if coefficient.is_finite() && coefficient > 0.0 {
        return Ok(coefficient);
    }
    Err(OptionError::new("coefficient", coefficient, "a finite number above 0 (leave the method out to switch it off)"))
}

/// The options of a part: plain data with defaults, which build the part.
pub trait PartOptions: DeserializeOwned + Serialize + Default {
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
    build: fn(Value) -> Result<(Contribution, Value), PartError>,
}

impl Part {
    /// An entry whose options are `O`.
    pub const fn of<O: PartOptions>(name: &'static str, about: &'static str) -> Part {
        Part { name, about, schedulable: true, defaults: default_options::<O>, build: build::<O> }
    }

    /// The same, run under the constant schedule alone.
    pub const fn constant_only(self) -> Part {
        Part { schedulable: false, ..self }
    }

    /// The part of that name.
    pub fn named(name: &str) -> Option<&'static Part> {
        PARTS.iter().copied().find(|part| part.name == name)
    }

    /// The options with their default values, a JSON object.
    pub fn default_options(&self) -> Value {
        (self.defaults)()
    }

    /// Builds the part; also returns all its options with the values that are used.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong type or out of range.
    pub fn build(&self, options: Value) -> Result<(Contribution, Value), PartError> {
        (self.build)(options)
    }
}

fn default_options<O: PartOptions>() -> Value {
    serde_json::to_value(O::default()).unwrap_or(Value::Null)
}

fn build<O: PartOptions>(options: Value) -> Result<(Contribution, Value), PartError> {
    let options: O = serde_json::from_value(options)?;
    let used = serde_json::to_value(&options)?;
    Ok((options.build()?, used))
}

/// The parts of one run's method, ready to use.
#[derive(Debug)]
pub struct Method {
    /// What stands between the layers.
    pub activation: Box<dyn Activation>,
    /// Terms of the loss beside the cross-entropy.
    pub penalties: Vec<Box<dyn Penalty>>,
    /// The optimizer's decay.
    pub weight_decay: WeightDecay,
    /// Interventions, in the order in which they were named.
    pub surgeries: Vec<Box<dyn Surgery>>,
}

impl Method {
    /// Puts a method together; without an activation part it is a ReLU network.
    ///
    /// # Errors
    /// Two activations or two weight decays, by name of what is there twice.
    pub fn of(contributions: Vec<Contribution>) -> Result<Method, &'static str> {
        let mut activation = None;
        let mut weight_decay = WeightDecay::None;
        let (mut penalties, mut surgeries) = (Vec::new(), Vec::new());
        for contribution in contributions {
            match contribution {
                Contribution::Activation(_) if activation.is_some() => return Err("activation"),
                Contribution::Activation(new) => activation = Some(new),
                Contribution::WeightDecay(_) if weight_decay != WeightDecay::None => return Err("weight decay"),
                Contribution::WeightDecay(new) => weight_decay = new,
                Contribution::Penalty(new) => penalties.push(new),
                Contribution::Surgery(new) => surgeries.push(new),
            }
        }
        let activation = activation.unwrap_or_else(|| Box::new(activation::relu::Relu));
        Ok(Method { activation, penalties, weight_decay, surgeries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_unique_and_defaults_build() {
        for (index, part) in PARTS.iter().enumerate() {
            assert!(PARTS[..index].iter().all(|other| other.name != part.name), "{} is there twice", part.name);
            let (_, used) = part.build(part.default_options()).unwrap();
            assert_eq!(used, part.default_options());
        }
    }

    #[test]
    fn a_coefficient_of_zero_is_refused_by_name() {
        for name in ["l2_adam", "l2_loss", "adamw", "wasserstein", "spectral"] {
            let part = Part::named(name).unwrap();
            for bad in [json!(0.0), json!(-1.0)] {
                let message = part.build(json!({ "coefficient": bad })).unwrap_err().to_string();
                assert!(message.contains("`coefficient` is") && message.contains("above 0"), "{message}");
            }
        }
    }

    #[test]
    fn contradictory_parts_are_refused() {
        let build = |name: &str| Part::named(name).unwrap().build(json!({})).unwrap().0;
        assert_eq!(Method::of(vec![build("relu"), build("crelu")]).unwrap_err(), "activation");
        assert_eq!(Method::of(vec![build("l2_adam"), build("adamw")]).unwrap_err(), "weight decay");
        let method = Method::of(vec![build("crelu"), build("wasserstein"), build("l2_adam")]).unwrap();
        assert_eq!(method.activation.name(), "crelu");
        assert_eq!(method.penalties.len(), 1);
        assert_eq!(method.weight_decay, WeightDecay::Coupled(1e-3));
    }
}
