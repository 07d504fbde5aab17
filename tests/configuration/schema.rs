//! A JSON Schema applied to a value, as slowly and plainly as can be: as much of the standard as `Experiment::schema` uses.
//! A word that is not known here is a failure of the test and not of the value.

use serde_json::Value;

/// Words that say something to people and editors alone.
const SILENT: [&str; 7] = ["$schema", "$defs", "title", "description", "default", "format", "then"];

/// What is wrong with a value, each with its place; nothing of one that the schema allows.
pub(crate) fn errors(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let words = match schema {
        Value::Bool(true) => return Vec::new(),
        Value::Bool(false) => return vec![format!("{place} should not be there")],
        schema => schema.as_object().unwrap_or_else(|| panic!("{place}: {schema} is no schema")),
    };
    let mut wrong = Vec::new();
    let within = |schema: &Value| errors(root, schema, value, place);
    let holds = |schema: &Value| within(schema).is_empty();
    for (word, said) in words {
        let refused = match word.as_str() {
            "$ref" => {
                let target = root.pointer(said.as_str().unwrap().strip_prefix('#').unwrap());
                wrong.extend(within(target.unwrap_or_else(|| panic!("{said} leads nowhere"))));
                false
            }
            "type" => !types(said).any(|name| is_of(value, name)),
            "enum" => !list(said).contains(value),
            "const" => value != said,
            "minimum" => value.as_f64().is_some_and(|number| number < said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_some_and(|number| number > said.as_f64().unwrap()),
            "minItems" => value.as_array().is_some_and(|items| (items.len() as u64) < said.as_u64().unwrap()),
            "pattern" => value.as_str().is_some_and(|text| !is_joined(text, said.as_str().unwrap())),
            "required" => value.is_object() && list(said).iter().any(|key| value.get(key.as_str().unwrap()).is_none()),
            "anyOf" => !list(said).iter().any(holds),
            "oneOf" => list(said).iter().filter(|schema| holds(schema)).count() != 1,
            "allOf" => {
                wrong.extend(list(said).iter().flat_map(within));
                false
            }
            "if" => {
                if holds(said) {
                    wrong.extend(within(&words["then"]));
                }
                false
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    wrong.extend(errors(root, said, item, &format!("{place}[{index}]")));
                }
                false
            }
            "properties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = said.get(key) {
                        wrong.extend(errors(root, schema, value, &format!("{place}.{key}")));
                    }
                }
                false
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if words.get("properties").is_none_or(|known| known.get(key).is_none()) {
                        wrong.extend(errors(root, said, value, &format!("{place}.{key}")));
                    }
                }
                false
            }
            word => {
                assert!(SILENT.contains(&word), "{place}: {word} is not known here");
                false
            }
        };
        if refused {
            wrong.push(format!("{place} is {value}, against {word} {said}"));
        }
    }
    wrong
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn types(said: &Value) -> impl Iterator<Item = &str> {
    said.as_str().into_iter().chain(said.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        name => panic!("{name} is no type"),
    }
}

/// Whether a text is names joined by `+`, of the pattern `^(a|b)(\+(a|b))+$`.
fn is_joined(text: &str, pattern: &str) -> bool {
    let (names, rest) = pattern.strip_prefix("^(").unwrap().split_once(')').unwrap();
    assert_eq!(rest, format!("(\\+({names}))+$"));
    text.contains('+') && text.split('+').all(|part| names.split('|').any(|name| name == part))
}
