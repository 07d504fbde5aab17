//! The labels and names of a list's entries.

use serde_json::{Map, Value};
use trainability_baselines::options::did_you_mean;
use trainability_record::label::{RULE, is_valid, of_value};

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
    let misspelt = object.keys().find(|key| !object.contains_key("name") && !did_you_mean(key, ["name"]).is_empty());
    let instead = misspelt.map_or_else(String::new, |key| format!(" (and not `{key}`)"));
    name.ok_or_else(|| experiment.refuse(&format!("{key}.name"), found, format!("a name in quotes{instead}")))
}

/// A name with options as they are written, but for the silent ones.
pub(super) fn written(name: &str, options: &Map<String, Value>, silent: &[&str]) -> String {
    let told = options.iter().filter(|(key, _)| !silent.contains(&key.as_str()));
    told.fold(name.to_owned(), |label, (key, value)| format!("{label}-{key}={}", of_value(value)))
}

/// The keys of an entry that are no options.
const NO_OPTIONS: [&str; 2] = ["name", "label"];
/// And a path, which is no part of a folder's name.
pub(super) const SILENT: [&str; 3] = ["name", "label", "rates"];

/// The labels that the entries of `methods` and `schedules` have if they are possible; none for an entry without a name.
pub(super) fn names(experiment: &Experiment) -> [Vec<Option<String>>; 2] {
    let method = |entry: &Value| match entry.get("parts").and_then(Value::as_array) {
        Some(parts) => labelled(entry, || {
            let parts: Option<Vec<String>> = parts.iter().map(|part| own_name(part, &NO_OPTIONS)).collect();
            parts.map(|parts| parts.join("+"))
        }),
        None => labelled(entry, || own_name(entry, &NO_OPTIONS)),
    };
    let schedule = |entry: &Value| labelled(entry, || own_name(entry, &SILENT));
    [experiment.methods.iter().map(method).collect(), experiment.schedules.iter().map(schedule).collect()]
}

fn labelled(entry: &Value, otherwise: impl FnOnce() -> Option<String>) -> Option<String> {
    match entry.get("label") {
        Some(label) => label.as_str().map(str::to_owned),
        None => otherwise(),
    }
}

fn own_name(entry: &Value, silent: &[&str]) -> Option<String> {
    match entry {
        Value::String(name) => Some(name.clone()),
        Value::Object(object) => Some(written(object.get("name")?.as_str()?, object, silent)),
        _ => None,
    }
}
