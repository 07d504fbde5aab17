//! The labels and names of a list's entries.

use serde_json::{Map, Value};
use trainability_record::label::{RULE, is_valid};

use super::error::ConfigError;
use super::file::Experiment;

/// Refuses the label of the entry at `key` if it cannot be a folder, or is not free: the name of something else.
pub(super) fn check(experiment: &Experiment, key: &str, label: &str, free: bool) -> Result<(), ConfigError> {
    let refuse = |expected: &str| Err(experiment.refuse(&format!("{key}.label"), format!("{label:?}"), expected));
    match (is_valid(label), free) {
        (false, _) => refuse(RULE),
        (true, false) => refuse("a label that is not the name of something else"),
        (true, true) => Ok(()),
    }
}

/// The `label` of an entry, if it has one.
pub(super) fn read_label(
    experiment: &Experiment,
    key: &str,
    object: &Map<String, Value>,
) -> Result<Option<String>, ConfigError> {
    match object.get("label") {
        None => Ok(None),
        Some(Value::String(label)) if is_valid(label) => Ok(Some(label.clone())),
        Some(other) => Err(experiment.refuse(&format!("{key}.label"), other, RULE)),
    }
}

/// The `name` of an entry, which must have one.
pub(super) fn read_name<'a>(
    experiment: &Experiment,
    key: &str,
    object: &'a Map<String, Value>,
) -> Result<&'a str, ConfigError> {
    let found = object.get("name").map_or_else(|| "missing".to_owned(), Value::to_string);
    let name = object.get("name").and_then(Value::as_str);
    name.ok_or_else(|| experiment.refuse(&format!("{key}.name"), found, "a name in quotes"))
}
