//! The registry of parts and how a method is put together from them.
//!
//! A method is a list of parts: an activation, a normalisation, penalties, a weight decay, a gradient rule, surgery. To add a
//! part, write its file, with a `PART` of its own, and name it in [`PARTS`]: every file of its folder is a module already.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::activation::{self, Activation, Widths};
use crate::gradient_rule::{self, GradientRule};
use crate::normalization::{self, Normalization};
use crate::penalty::{self, Penalty};
use crate::surgery::{self, Intervention, Surgery};

/// Every part that a configuration can name.
pub const PARTS: &[&Part] = &[
    &activation::relu::PART,
    &activation::crelu::PART,
    &activation::leaky_relu::PART,
    &activation::tanh::PART,
    &activation::identity::PART,
    &normalization::layer_norm::PART,
    &normalization::batch_norm::PART,
    &penalty::l2_adam::PART,
    &penalty::l2_loss::PART,
    &penalty::adamw::PART,
    &penalty::wasserstein::PART,
    &penalty::spectral::PART,
    &penalty::l2_init::PART,
    &penalty::anti_regularization::PART,
    &gradient_rule::clipping::PART,
    &gradient_rule::normalization::PART,
    &surgery::shrink_perturb::PART,
    &surgery::redo::PART,
    &surgery::continual_backprop::PART,
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
    /// How wide the hidden layers are.
    pub widths: Widths,
    /// What becomes of a hidden layer's pre-activation before the activation.
    pub normalization: Option<Box<dyn Normalization>>,
    /// Terms of the loss beside the cross-entropy.
    pub penalties: Vec<Box<dyn Penalty>>,
    /// The optimizer's decay.
    pub weight_decay: WeightDecay,
    /// What becomes of the gradient before the optimizer takes it.
    pub gradient_rule: Option<Box<dyn GradientRule>>,
    /// Interventions, in the order in which they were named.
    pub surgeries: Vec<Box<dyn Surgery>>,
}

impl Method {
    /// Puts a method together; without an activation part it is a ReLU network.
    ///
    /// # Errors
    /// Parts that contradict each other: what would have been right.
    pub fn of(contributions: Vec<Contribution>) -> Result<Method, &'static str> {
        let mut activation = None;
        let mut normalization = None;
        let mut weight_decay = WeightDecay::None;
        let mut gradient_rule = None;
        let (mut penalties, mut surgeries) = (Vec::new(), Vec::<Box<dyn Surgery>>::new());
        for contribution in contributions {
            match contribution {
                Contribution::Activation(..) if activation.is_some() => return Err("one activation, not two"),
                Contribution::Activation(new, widths) => activation = Some((new, widths)),
                Contribution::Normalization(_) if normalization.is_some() => return Err("one normalization, not two"),
                Contribution::Normalization(new) => normalization = Some(new),
                Contribution::WeightDecay(_) if weight_decay != WeightDecay::None => {
                    return Err("one weight decay, not two");
                }
                Contribution::WeightDecay(new) => weight_decay = new,
                Contribution::GradientRule(_) if gradient_rule.is_some() => return Err("one gradient rule, not two"),
                Contribution::GradientRule(new) => gradient_rule = Some(new),
                Contribution::Penalty(new) => penalties.push(new),
                Contribution::Surgery(new) => surgeries.push(new),
            }
        }
        let count = |which| surgeries.iter().filter(|surgery| surgery.intervention() == which).count();
        if count(Intervention::Replacement) > 1 {
            return Err("one surgery that replaces units, not two");
        }
        if count(Intervention::Reset) > 0 && surgeries.len() > 1 {
            return Err("no other surgery beside a reset, which leaves it nothing to work on");
        }
        let (activation, widths) =
            activation.unwrap_or_else(|| (Box::new(activation::relu::Relu) as Box<dyn Activation>, Widths::AsGiven));
        Ok(Method { activation, widths, normalization, penalties, weight_decay, gradient_rule, surgeries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_part_is_found_by_its_name_and_its_defaults_build() {
        for part in PARTS {
            assert_eq!(Part::named(part.name).unwrap().about, part.about, "another part is called {}", part.name);
            let (_, used) = part.build(part.default_options()).unwrap();
            assert_eq!(used, part.default_options());
        }
    }

    #[test]
    fn a_coefficient_of_zero_is_refused_by_name() {
        let with_coefficient = PARTS.iter().filter(|part| part.default_options().get("coefficient").is_some());
        assert!(with_coefficient.clone().count() >= 7);
        for part in with_coefficient {
            for bad in [json!(0.0), json!(-1.0)] {
                let message = part.build(json!({ "coefficient": bad })).unwrap_err().to_string();
                assert!(message.contains("`coefficient` is") && message.contains("above 0"), "{message}");
            }
        }
    }

    #[test]
    fn impossible_options_are_refused_by_name() {
        for (name, options, message) in [
            ("leaky_relu", json!({ "slope": 0.0 }), "`slope` is 0, expected above 0 and below 1"),
            ("leaky_relu", json!({ "slope": 1.0 }), "`slope` is 1, expected above 0 and below 1"),
            ("layer_norm", json!({ "epsilon": 0.0 }), "`epsilon` is 0, expected a finite number above 0"),
            ("batch_norm", json!({ "epsilon": -1.0 }), "`epsilon` is -1, expected a finite number above 0"),
            ("batch_norm", json!({ "momentum": 0.0 }), "`momentum` is 0, expected above 0 and at most 1"),
            ("batch_norm", json!({ "momentum": 1.5 }), "`momentum` is 1.5, expected above 0 and at most 1"),
            ("gradient_clipping", json!({ "max_norm": 0.0 }), "`max_norm` is 0, expected a finite number above 0"),
            ("anti_regularization", json!({ "clip": 1.0 }), "`clip` is 1, expected between 0 and 1, both excluded"),
            ("anti_regularization", json!({ "radius": 0.9 }), "`radius` is 0.9, expected a finite number, 1 or above"),
            ("shrink_perturb", json!({ "shrink": 0.0 }), "`shrink` is 0, expected above 0 and at most 1"),
            ("shrink_perturb", json!({ "scale": -0.1 }), "`scale` is -0.1, expected a finite number, 0 or above"),
            ("shrink_perturb", json!({ "per": "update", "scale": 0.1 }), "`shrink` is left out, expected a number"),
            ("shrink_perturb", json!({ "per": "update", "shrink": 0.1 }), "`scale` is left out, expected a number"),
            ("redo", json!({ "threshold": 1.0 }), "`threshold` is 1, expected at least 0 and below 1"),
            ("redo", json!({ "period": 0 }), "`period` is 0, expected \"task\" or a number of updates above 0"),
            ("redo", json!({ "period": "epoch" }), "invalid value, expected \"task\" or a number of updates"),
            ("redo", json!({ "samples": 0 }), "`samples` is 0, expected at least 1"),
            ("continual_backprop", json!({ "rate": 0.0 }), "`rate` is 0, expected above 0 and at most 1"),
            ("continual_backprop", json!({ "decay": 1.0 }), "`decay` is 1, expected at least 0 and below 1"),
        ] {
            let found = Part::named(name).unwrap().build(options).unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
    }

    #[test]
    fn contradictory_parts_are_refused() {
        let build = |name: &str| Part::named(name).unwrap().build(json!({})).unwrap().0;
        for (parts, expected) in [
            (["relu", "crelu"], "one activation, not two"),
            (["layer_norm", "batch_norm"], "one normalization, not two"),
            (["l2_adam", "adamw"], "one weight decay, not two"),
            (["gradient_clipping", "gradient_normalization"], "one gradient rule, not two"),
            (["redo", "continual_backprop"], "one surgery that replaces units, not two"),
            (["reset", "shrink_perturb"], "no other surgery beside a reset, which leaves it nothing to work on"),
        ] {
            assert_eq!(Method::of(parts.map(build).into()).unwrap_err(), expected);
        }
        assert_eq!(Method::of(["shrink_perturb", "redo"].map(build).into()).unwrap().surgeries.len(), 2);
        let method = Method::of(vec![build("crelu"), build("wasserstein"), build("l2_adam")]).unwrap();
        assert_eq!(method.activation.name(), "crelu");
        assert_eq!(method.penalties.len(), 1);
        assert_eq!(method.weight_decay, WeightDecay::Coupled(1e-3));
    }
}
