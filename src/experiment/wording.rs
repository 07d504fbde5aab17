//! What the JSON reader complains about, in the words of somebody who writes JSON and not Rust.

use serde_json::{Map, Value};

use super::error::{ConfigError, short};

/// A complaint about what stands at `key`, a path as serde_path_to_error gives it: `.` is the whole file.
pub(super) fn complaint(path: &str, key: &str, error: &serde_json::Error) -> ConfigError {
    let message = error.to_string();
    let key = if key == "." { "" } else { key };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let (key, message) = match (missing, message.rsplit_once(", expected ")) {
        (Some(field), _) if key.is_empty() => (field.to_owned(), "this key is missing".to_owned()),
        (Some(field), _) => (format!("{key}.{field}"), "this key is missing".to_owned()),
        (None, Some((found, expected))) => {
            (key.to_owned(), format!("{}, expected {}", short(found), in_json(expected)))
        }
        (None, None) => (key.to_owned(), message),
    };
    ConfigError::Shape { path: path.to_owned(), key, message }
}

/// The key of the first of some options that is refused even alone: the reader of options does not tell which it was.
pub(crate) fn guilty(key: &str, options: &Map<String, Value>, refused: impl Fn(Value) -> bool) -> Option<String> {
    let alone = |(name, value): &(&String, &Value)| refused(Value::from_iter([((*name).clone(), (*value).clone())]));
    options.iter().find(alone).map(|(name, _)| format!("{key}.{name}"))
}

/// The name of a type.
fn in_json(expected: &str) -> &str {
    match expected {
        "usize" | "u64" => "a whole number, 0 or above",
        "i64" => "a whole number",
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_stays_one() {
        assert_eq!(short("ü"), "ü");
        assert_eq!(short(&"ü".repeat(201)), format!("{}...", "ü".repeat(200)));
    }

    #[test]
    fn types_are_named_as_json_has_them_and_missing_keys_by_their_path() {
        let number = serde_json::from_value::<Vec<usize>>(serde_json::json!("3")).unwrap_err();
        let text = complaint("a.json", "network.hidden", &number).to_string();
        assert_eq!(text, "a.json: at `network.hidden`: invalid type: string \"3\", expected a list");
        let missing = <serde_json::Error as serde::de::Error>::missing_field("tasks");
        assert_eq!(complaint("a.json", ".", &missing).to_string(), "a.json: at `tasks`: this key is missing");
        assert_eq!(
            complaint("a.json", "stream", &missing).to_string(),
            "a.json: at `stream.tasks`: this key is missing"
        );
    }
}
