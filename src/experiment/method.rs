//! Entries of the `methods` list.

use serde_json::{Map, Value, json};
use trainability_baselines::method::Method;
use trainability_baselines::options::{did_you_mean, expected_one_of};
use trainability_baselines::part::{Contribution, Part};
use trainability_baselines::registry::{PARTS, part as named_part};

use super::error::ConfigError;
use super::file::Experiment;
use super::labels::{self, read_label, read_name};
use crate::run::MethodPlan;
use crate::schedule::schedule;

impl MethodPlan {
    /// Reads the entry at `index` of the list.
    pub(super) fn read(experiment: &Experiment, index: usize) -> Result<MethodPlan, ConfigError> {
        let key = format!("methods[{index}]");
        let entry = &experiment.methods[index];
        // Each part with the key at which it stands.
        let (label, entries): (_, Vec<(String, Value)>) = match entry {
            Value::String(names) => (None, names.split('+').map(|name| (key.clone(), json!(name))).collect()),
            Value::Object(object) if object.contains_key("parts") => {
                if let Some(other) = object.keys().find(|key| !["label", "parts"].contains(&key.as_str())) {
                    let expected = format!("label or parts{}", did_you_mean(other, ["label", "parts"]));
                    return Err(experiment.refuse(&format!("{key}.{other}"), "an unknown key", expected));
                }
                let Value::Array(parts) = &object["parts"] else {
                    return Err(experiment.refuse(&format!("{key}.parts"), &object["parts"], "a list of parts"));
                };
                let place = |(index, part): (usize, &Value)| (format!("{key}.parts[{index}]"), part.clone());
                (read_label(experiment, &key, object)?, parts.iter().enumerate().map(place).collect())
            }
            Value::Object(object) => {
                let mut part = object.clone();
                let label = read_label(experiment, &key, &part)?;
                part.retain(|key, _| key != "label");
                (label, vec![(key.clone(), Value::Object(part))])
            }
            other => return Err(experiment.refuse(&key, other, "a name or an object with `name` or `parts`")),
        };
        if entries.is_empty() {
            return Err(experiment.refuse(&format!("{key}.parts"), "[]", "at least one part"));
        }
        let mut plan = MethodPlan { label: String::new(), parts: Vec::new(), schedulable: true };
        let (mut own_labels, mut contributions) = (Vec::new(), Vec::new());
        for (key, entry) in &entries {
            let (part, own) = read_part(experiment, key, entry)?;
            if plan.parts.iter().any(|(name, _)| name == part.name) {
                return Err(experiment.refuse(key, format!("{:?} a second time", part.name), "each part once"));
            }
            let (contribution, used) = part
                .build(Value::Object(own.clone()))
                .map_err(|error| experiment.refuse_options(key, &own, error, |option| part.build(option)))?;
            own_labels.push(labels::written(part.name, &own, &[]));
            plan.schedulable &= part.schedulable;
            plan.parts.push((part.name.to_owned(), used));
            contributions.push(contribution);
        }
        Method::of(contributions).map_err(|expected| experiment.refuse(&key, entry, expected))?;
        plan.label = label.unwrap_or_else(|| own_labels.join("+"));
        let own_name = matches!(&plan.parts[..], [(name, _)] if *name == plan.label);
        let free = own_name || named_part(&plan.label).is_none();
        labels::check(experiment, &key, &plan.label, free)?;
        Ok(plan)
    }

    /// The method of parts that are named outside of an experiment file, as they would be in one: names, names joined by
    /// `+`, or objects with options; and an activation beside them. Nothing at all is a plain ReLU network. `source` is for
    /// messages.
    ///
    /// # Errors
    /// An activation that is none, and as for the `methods` of an experiment.
    pub(crate) fn with_activation(
        activation: Option<&str>,
        parts: &[String],
        source: &str,
    ) -> Result<MethodPlan, ConfigError> {
        let mut values = Vec::new();
        if let Some(name) = activation {
            let is_activation =
                |part: &Part| matches!(part.build(part.default_options()), Ok((Contribution::Activation(..), _)));
            let known: Vec<&str> = PARTS.iter().filter(|part| is_activation(part)).map(|part| part.name).collect();
            if !known.contains(&name) {
                return Err(ConfigError::Value {
                    path: source.to_owned(),
                    key: "--activation".to_owned(),
                    found: format!("{name:?}"),
                    expected: expected_one_of(name, &known),
                });
            }
            values.push(json!(name));
        }
        for text in parts {
            if text.trim_start().starts_with('{') {
                values.push(super::json::parse(text, &format!("{text:?} of {source}"))?);
            } else {
                values.extend(text.split('+').map(|name| json!(name)));
            }
        }
        if values.is_empty() {
            values.push(json!("relu"));
        }
        let experiment = json!({
            "stream": { "tasks": 1, "epochs": 1 },
            "methods": [{ "label": "method", "parts": &values }],
            "schedules": ["constant"],
            "seeds": 1
        });
        MethodPlan::read(&Experiment::from_value(experiment, source, "method")?, 0).map_err(|mut error| {
            if let ConfigError::Value { key, .. } | ConfigError::Shape { key, .. } = &mut error {
                *key = as_given(key, &values);
            }
            error
        })
    }
}

/// The key in an experiment's list as whoever gave `--method` knows it: the option, and where a key of a part is meant, the
/// part's name and that key.
fn as_given(key: &str, parts: &[Value]) -> String {
    let own = key.strip_prefix("methods[0].parts[").and_then(|rest| rest.split_once(']'));
    match own.and_then(|(place, rest)| Some((parts.get(place.parse::<usize>().ok()?)?.get("name")?.as_str()?, rest))) {
        Some((name, rest)) if !rest.is_empty() => format!("--method {name}{rest}"),
        _ => format!("--method{}", own.map_or("", |(_, rest)| rest)),
    }
}

/// The registry's part and the entry's own options.
fn read_part(
    experiment: &Experiment,
    key: &str,
    entry: &Value,
) -> Result<(&'static Part, Map<String, Value>), ConfigError> {
    let (name, options) = match entry {
        Value::String(name) => (name.as_str(), Map::new()),
        Value::Object(object) => {
            let mut options = object.clone();
            options.retain(|key, _| key != "name");
            (read_name(experiment, key, object)?, options)
        }
        other => return Err(experiment.refuse(key, other, "a name or an object with `name`")),
    };
    let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    let part = named_part(name).ok_or_else(|| {
        let expected = match schedule(name) {
            Some(_) => "a method: it is a schedule, and stands in `schedules`".to_owned(),
            None => expected_one_of(name, &known),
        };
        experiment.refuse(key, format!("{name:?}"), expected)
    })?;
    Ok((part, options))
}
