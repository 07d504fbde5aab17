//! What the JSON reader complains about, in the words of somebody who writes JSON and not Rust, with what may have been meant.

use serde_json::{Map, Value, json};
use trainability_baselines::options::did_you_mean;

use super::error::{ConfigError, short};
use crate::optimizer::OPTIMIZERS;

/// A complaint about what stands at `key`, a path as serde_path_to_error gives it: `.` is the whole file. `paths` gives the
/// paths of all keys that there are.
pub(super) fn complaint(
    path: &str,
    key: &str,
    error: &serde_json::Error,
    paths: impl FnOnce() -> Vec<String>,
) -> ConfigError {
    let message = error.to_string();
    let key = if key == "." { "" } else { key };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let (key, message) = match (missing, unknown, message.rsplit_once(", expected ")) {
        (Some(field), ..) if key.is_empty() => (field.to_owned(), "this key is missing".to_owned()),
        (Some(field), ..) => (format!("{key}.{field}"), "this key is missing".to_owned()),
        (None, Some((field, known)), _) => (key.to_owned(), unknown_key(key, field, known, &paths())),
        (None, None, Some((found, expected))) => (key.to_owned(), wrong_value(key, found, expected)),
        (None, None, None) => (key.to_owned(), message),
    };
    ConfigError::Shape { path: path.to_owned(), key, message }
}

/// The key of the first of some options that is refused even alone: the reader of options does not tell which it was.
pub(crate) fn guilty(key: &str, options: &Map<String, Value>, refused: impl Fn(Value) -> bool) -> Option<String> {
    let alone = |(name, value): &(&String, &Value)| refused(Value::from_iter([((*name).clone(), (*value).clone())]));
    options.iter().find(alone).map(|(name, _)| format!("{key}.{name}"))
}

/// The complaint about a key that there is not, where the reader told which it knows.
fn unknown_key(key: &str, field: &str, known: &str, paths: &[String]) -> String {
    let section = key.strip_suffix(field).and_then(|section| section.strip_suffix('.')).unwrap_or_default();
    let mut known = quoted(known);
    // The reader of an optimizer's, a method's or a schedule's options knows nothing of the keys beside them.
    match section {
        "training" => {
            let own = paths.iter().filter_map(|path| path.strip_prefix("training."));
            known.extend(own.filter(|own| !own.contains('.') && takers(own).is_empty()));
        }
        entry if entry.ends_with(']') && !entry.contains(".parts") => known.push("label"),
        _ => {}
    }
    let expected = match known.len() {
        0 => "none: it has no options".to_owned(),
        1 => known[0].to_owned(),
        _ => format!("one of {}", known.join(", ")),
    };
    format!("there is no key `{}`, expected {expected}{}", short(field), meant(section, field, &known, paths))
}

/// The optimizers that have an option.
fn takers(option: &str) -> Vec<&'static str> {
    let takers = OPTIMIZERS.iter().filter(|kind| kind.schema()["properties"].get(option).is_some());
    takers.map(|kind| kind.name).collect()
}

/// What may have been meant by a key that its section does not have.
fn meant(section: &str, field: &str, known: &[&str], paths: &[String]) -> String {
    match field {
        "weight_decay" => return "; weight decay is a method here: `l2_adam` or `adamw` in `methods`".to_owned(),
        "lr" if known.contains(&"learning_rate") => return " (did you mean learning_rate?)".to_owned(),
        _ if section == "training" && !takers(field).is_empty() => {
            return format!("; it is an option of `\"optimizer\": \"{}\"`", takers(field).join("\"` or `\""));
        }
        _ => {}
    }
    let last = |path: &&String| path.rsplit('.').next() == Some(if field == "lr" { "learning_rate" } else { field });
    match (did_you_mean(field, known.iter().copied()), paths.iter().find(last)) {
        // The same key elsewhere is nearer than another one here.
        (_, Some(path)) if !path.starts_with(&format!("{section}.")) => format!(" (did you mean {path}?)"),
        (near, _) if !near.is_empty() => near,
        _ if section.is_empty() => did_you_mean(field, paths.iter().map(String::as_str)),
        _ => String::new(),
    }
}

/// The complaint about a value, which the reader told in its own words.
fn wrong_value(key: &str, found: &str, expected: &str) -> String {
    if let Some(word) = found.strip_prefix("unknown variant `").and_then(|rest| rest.strip_suffix('`')) {
        let known = quoted(expected);
        let one_of = if known.len() > 1 { "one of " } else { "" };
        return format!(
            "found `{}`, expected {one_of}{}{}",
            short(word),
            known.join(", "),
            did_you_mean(word, known.iter().copied())
        );
    }
    let Some(found) = found.strip_prefix("invalid type: ").or_else(|| found.strip_prefix("invalid value: ")) else {
        return format!("{}, expected {}", short(found), in_json(expected));
    };
    let value = match found.split_once(' ') {
        Some(("string", text)) => text.to_owned(),
        Some(("integer" | "boolean", value)) => value.replace('`', ""),
        Some(("floating", value)) => value.replace("point ", "").replace('`', ""),
        _ => match found {
            "map" => "an object".to_owned(),
            "sequence" => "a list".to_owned(),
            other => other.to_owned(),
        },
    };
    format!("found {}, expected {}{}", short(&value), in_json(expected), hint(key, &value, expected))
}

/// What would have been right in the place of a value of another type.
fn hint(key: &str, value: &str, expected: &str) -> String {
    let whole = ["usize", "u64", "i64"].contains(&expected);
    let text: Option<String> = serde_json::from_str(value).ok();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let as_json = |number: f64| {
        if number == number.trunc() && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
    };
    let items = || -> Vec<Value> {
        let parts = text.as_deref().unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| number(part).map_or_else(|| json!(part), as_json)).collect()
    };
    match (expected, &text) {
        ("a sequence", _) if key.starts_with("grid.") && value == "an object" => {
            let name = key.trim_start_matches("grid.");
            format!(" of values under the whole path of the key, as in {{\"{name}.learning_rate\": [0.001, 0.01]}}")
        }
        ("a sequence", Some(_)) if !items().is_empty() => format!(" such as {}", json!(items())),
        ("usize" | "u64" | "i64" | "f64", Some(text)) if text.contains(',') && items().iter().all(Value::is_number) => {
            format!("; several values stand in `grid`, as in \"grid\": {{\"{key}\": {}}}", json!(items()))
        }
        ("f64", Some(text)) => number(text).map_or_else(String::new, |number| format!(" such as {}", as_json(number))),
        _ if whole => {
            let number = number(text.as_deref().unwrap_or(value)).filter(|number| number.trunc() == *number);
            let fits = number.filter(|number| (0.0..1e15).contains(number));
            let comma = if expected == "i64" { "" } else { "," };
            fits.map_or_else(String::new, |number| format!("{comma} such as {}", as_json(number)))
        }
        _ => String::new(),
    }
}

/// The words between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The name of a type.
fn in_json(expected: &str) -> &str {
    match expected {
        "usize" | "u64" => "a whole number, 0 or above",
        "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(key: &str, error: &serde_json::Error) -> String {
        complaint("a.json", key, error, || vec!["training.learning_rate".to_owned(), "stream.tasks".to_owned()])
            .to_string()
    }

    #[test]
    fn a_sentence_stays_one() {
        assert_eq!(short("ü"), "ü");
        assert_eq!(short(&"ü".repeat(201)), format!("{}...", "ü".repeat(200)));
    }

    #[test]
    fn types_are_named_as_json_has_them_and_missing_keys_by_their_path() {
        let number = serde_json::from_value::<Vec<usize>>(json!("3")).unwrap_err();
        assert_eq!(
            told("network.hidden", &number),
            "a.json: at `network.hidden`: found \"3\", expected a list such as [3]"
        );
        let missing = <serde_json::Error as serde::de::Error>::missing_field("tasks");
        assert_eq!(told(".", &missing), "a.json: at `tasks`: this key is missing");
        assert_eq!(told("stream", &missing), "a.json: at `stream.tasks`: this key is missing");
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_the_right_one() {
        let unknown = |field| <serde_json::Error as serde::de::Error>::unknown_field(field, &["kind", "tasks"]);
        assert!(told("stream.task", &unknown("task")).ends_with("expected one of kind, tasks (did you mean tasks?)"));
        let elsewhere = told("stream.learning_rate", &unknown("learning_rate"));
        assert!(elsewhere.ends_with("(did you mean training.learning_rate?)"), "{elsewhere}");
        assert!(told("training.weight_decay", &unknown("weight_decay")).ends_with("`l2_adam` or `adamw` in `methods`"));
    }
}
