//! What the names in a sweep's files mean: the glossary in `sweep.json`.
//!
//! A sweep describes itself, so that whoever reads it needs none of the registries of the program that ran it. The program
//! fills the glossary from these registries; sweeps of format 2, which have none, are read with that of the last program
//! that wrote them ([`Glossary::format2`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The words of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Glossary {
    /// The indicators among the columns of `tasks.csv`, in their order.
    pub indicators: Vec<DescribedIndicator>,
    /// The bounds on the effective step among the columns of `controls.csv`, in their order.
    pub bounds: Vec<DescribedBound>,
    /// The parts that methods are made of, by name.
    pub parts: BTreeMap<String, DescribedPart>,
    /// The schedules, by name.
    pub schedules: BTreeMap<String, DescribedSchedule>,
}

/// What an indicator is in the argument that the project examines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndicatorRole {
    /// One of the single indicators that the paper rejects.
    Rejected,
    /// Offered by others, and compared here.
    Compared,
    /// Part of the method: its bounds and what is made of them.
    Method,
    /// A predictor so cheap that any indicator has to beat it.
    Trivial,
}

impl IndicatorRole {
    /// As tables and CSV files name it.
    pub fn name(self) -> &'static str {
        match self {
            IndicatorRole::Rejected => "rejected",
            IndicatorRole::Compared => "compared",
            IndicatorRole::Method => "method",
            IndicatorRole::Trivial => "trivial",
        }
    }
}

/// The values of an indicator that theory says come before the loss of trainability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Low ones, such as a low rank.
    Low,
    /// High ones, such as many dead units.
    High,
}

/// An indicator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedIndicator {
    /// Its column.
    pub name: String,
    /// As tables and figures name it.
    pub title: String,
    /// Which side of the argument it stands on.
    pub role: IndicatorRole,
    /// Which of its values theory says come before the loss of trainability; none where theory says nothing, or the sweep
    /// was written before it was recorded.
    #[serde(default)]
    pub loss_follows: Option<Level>,
    /// What it is, in a sentence without its full stop.
    pub text: String,
}

/// A bound on the effective step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedBound {
    /// Its column.
    pub column: String,
    /// As figures name it.
    pub label: String,
    /// What it is, in a sentence without its full stop.
    pub text: String,
    /// The colour of its line, like `#0072b2`.
    pub colour: String,
    /// The width of its line in pixels of a figure 1600 wide; wide lines lie under narrow ones.
    pub width: f64,
}

/// A part of a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedPart {
    /// What it does, in a line.
    pub about: String,
    /// Its options with their defaults, an object.
    pub defaults: Value,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DescribedSchedule {
    /// What it does, in a line.
    pub about: String,
    /// Its options with their defaults, an object.
    pub defaults: Value,
    /// Methods for which some defaults are others; the first that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// Defaults of a schedule that hold for the methods with a part, and perhaps for some learning rates alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// The part.
    pub part: String,
    /// The base learning rate has to lie above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate_above: Option<f64>,
    /// The options that are others.
    pub options: Map<String, Value>,
}

impl Variant {
    /// Whether it holds for a method of these parts at a base learning rate.
    pub fn fits(&self, parts: &[String], learning_rate: f64) -> bool {
        parts.contains(&self.part) && self.learning_rate_above.is_none_or(|least| learning_rate > least)
    }
}

impl DescribedSchedule {
    /// The defaults for a method of these parts at a base learning rate.
    pub fn defaults_for(&self, parts: &[String], learning_rate: f64) -> Value {
        let mut defaults = self.defaults.clone();
        let variant = self.variants.iter().find(|variant| variant.fits(parts, learning_rate));
        if let (Some(variant), Some(defaults)) = (variant, defaults.as_object_mut()) {
            defaults.extend(variant.options.clone());
        }
        defaults
    }
}

impl Glossary {
    /// The words of the sweeps that have no glossary: those of the registries of version 0.1.0, which wrote them last.
    pub fn format2() -> Glossary {
        // A test reads it.
        serde_json::from_str(include_str!("format2.json")).unwrap_or_default()
    }

    /// The indicator of a column.
    pub fn indicator(&self, name: &str) -> Option<&DescribedIndicator> {
        self.indicators.iter().find(|indicator| indicator.name == name)
    }

    /// Takes over what another glossary has beyond this one.
    pub fn join(&mut self, other: Glossary) {
        for indicator in other.indicators {
            if self.indicator(&indicator.name).is_none() {
                self.indicators.push(indicator);
            }
        }
        for bound in other.bounds {
            if self.bounds.iter().all(|known| known.column != bound.column) {
                self.bounds.push(bound);
            }
        }
        for (name, part) in other.parts {
            self.parts.entry(name).or_insert(part);
        }
        for (name, schedule) in other.schedules {
            self.schedules.entry(name).or_insert(schedule);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_format_2_are_whole() {
        let glossary = Glossary::format2();
        let lengths =
            (glossary.indicators.len(), glossary.bounds.len(), glossary.parts.len(), glossary.schedules.len());
        assert_eq!(lengths, (27, 5, 20, 16));
        let again: Glossary = serde_json::from_value(serde_json::to_value(&glossary).unwrap()).unwrap();
        assert_eq!(again, glossary);
    }

    #[test]
    fn an_indicator_of_an_earlier_sweep_has_no_direction() {
        let read = |text: &str| serde_json::from_str::<DescribedIndicator>(text).map(|read| read.loss_follows);
        let earlier = r#"{ "name": "rho", "title": "rho", "role": "method", "text": "a share" }"#;
        assert_eq!(read(earlier).unwrap(), None);
        assert_eq!(read(&earlier.replace("{ ", r#"{ "loss_follows": "high", "#)).unwrap(), Some(Level::High));
        assert!(read(&earlier.replace("{ ", r#"{ "loss_follows": "up", "#)).is_err());
    }

    #[test]
    fn the_first_variant_that_fits_counts() {
        let variant = |part: &str, learning_rate_above, options: Value| Variant {
            part: part.to_owned(),
            learning_rate_above,
            options: options.as_object().unwrap().clone(),
        };
        let schedule = DescribedSchedule {
            about: String::new(),
            defaults: json!({ "beta": 1.0, "cool": 0.9 }),
            variants: vec![
                variant("crelu", Some(1e-3), json!({ "beta": 2.0 })),
                variant("crelu", None, json!({ "beta": 3.0 })),
                variant("l2", None, json!({ "beta": 4.0 })),
            ],
        };
        let beta = |parts: &[&str], learning_rate: f64| {
            let parts: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
            let defaults = schedule.defaults_for(&parts, learning_rate);
            assert_eq!(defaults["cool"], 0.9);
            defaults["beta"].as_f64().unwrap()
        };
        assert_eq!([beta(&["crelu", "l2"], 2e-3), beta(&["crelu", "l2"], 1e-3), beta(&["l2"], 1e-3)], [2.0, 3.0, 4.0]);
        assert_eq!([beta(&[], 1.0), beta(&["relu"], f64::NAN)], [1.0, 1.0]);
    }
}
