//! JSON without keys that are there twice: of two values, nobody knows which was meant.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::ConfigError;

/// Reads a JSON text, whatever mark of its encoding an editor has put before it; `path` is for messages.
///
/// # Errors
/// It is not JSON, or a key is there twice.
pub(super) fn parse(text: &str, path: &str) -> Result<Value, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let syntax = |problem: serde_json::Error| {
        let problem = format!("{problem}{}", advice(text, &problem));
        ConfigError::Syntax { path: path.to_owned(), problem }
    };
    match (Once { seen: false }).deserialize(tracked) {
        Ok(value) => reader.end().map(|()| value).map_err(syntax),
        Err(problem) if problem.is_data() => {
            let message = problem.to_string();
            Err(ConfigError::Shape { path: path.to_owned(), key: track.path().to_string(), message })
        }
        Err(problem) => Err(syntax(problem)),
    }
}

/// What to do about a text that is not JSON, by what stands where the parser stopped.
fn advice(text: &str, problem: &serde_json::Error) -> &'static str {
    if text.trim().is_empty() {
        return "; the file is empty, expected an experiment, which is an object in braces";
    }
    if problem.is_eof() {
        return "; it ends before all braces, brackets and quotes are closed";
    }
    let line = text.split('\n').nth(problem.line().saturating_sub(1)).unwrap_or_default();
    let boundaries = line.char_indices().map(|(place, _)| place);
    let place = boundaries.take_while(|place| *place < problem.column()).last().unwrap_or(0);
    let (before, rest) = line.split_at(place);
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
        + rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let said = problem.to_string();
    match (rest.chars().next(), word.to_lowercase().as_str()) {
        _ if said.starts_with("trailing comma") => ", which has to go",
        _ if said.starts_with("number out of range") => ", expected one below 1.8e308",
        _ if said.starts_with("trailing characters") => ", expected the end after the last brace",
        (Some('/' | '#'), _) => "; JSON has no comments, and `about` is for words",
        (Some('\'' | '\u{2018}'..='\u{201f}'), _) => "; texts and keys stand between straight double quotes, \"\"",
        (_, "nan" | "inf" | "infinity") => "; JSON has no such number, expected a finite one",
        (_, "true" | "false" | "none") => "; JSON writes true, false and null",
        (Some('.' | '+'), _) => "; a number begins with a digit or a minus, as in 0.5",
        _ if said.starts_with("key must be a string") => "; keys stand between double quotes",
        (Some('"'), _) if said.starts_with("expected `,`") => "; a comma is missing before it",
        _ if said.starts_with("expected value") && place == 0 => "; an experiment is a JSON object, in braces",
        _ => "",
    }
}

/// A value under a key that has, or has not, been seen before.
struct Once {
    seen: bool,
}

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.seen {
            return Err(D::Error::custom("this key is there twice, expected once"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number should be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Once { seen: false })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let seen = values.contains_key(&key);
            let value = object.next_value_seed(Once { seen })?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        let text = r#"{"a": [1, -2, 2.5e-3, -0.0, 18446744073709551615, "\u00fc", true, null, {}], "b": {"a": []}}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(text, "a.json").unwrap(), expected);
        assert_eq!(parse(text, "a.json").unwrap().to_string(), expected.to_string(), "order and -0.0 are kept");
    }

    #[test]
    fn a_key_that_is_there_twice_is_named_by_its_path() {
        let error = parse(r#"{"a": 1, "b": [{"c": 1, "d": {}, "c": 2}]}"#, "a.json").unwrap_err().to_string();
        assert!(error.starts_with("a.json: at `b[0].c`: this key is there twice"), "{error}");
        let error = parse(r#"{"a": 1} 2"#, "a.json").unwrap_err().to_string();
        assert!(error.starts_with("a.json is not valid JSON: trailing characters"), "{error}");
    }
}
