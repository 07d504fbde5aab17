//! A value of a JSON file with the path to it, so that what is wrong can be told in a sentence.

use serde_json::Value;
use trainability_record::label::expected_one_of;

use crate::refusal::Refusal;

/// The most elements of a list.
const MOST_ELEMENTS: usize = 10_000;
/// The largest count: of tasks, events and seeds.
const MOST_COUNT: u64 = 1_000_000_000;
/// Characters of a value that a sentence shows.
const SHOWN: usize = 60;

/// A value, the file that it is from, and its place there.
#[derive(Clone, Debug)]
pub(super) struct JsonPlace<'v> {
    file: &'v str,
    path: String,
    value: &'v Value,
}

impl<'v> JsonPlace<'v> {
    /// The whole content of a file.
    pub(super) fn of(file: &'v str, value: &'v Value) -> Self {
        JsonPlace { file, path: String::new(), value }
    }

    /// The complaint: the file, the key, what is there and what would be right.
    pub(super) fn refuse(&self, expected: &str) -> Refusal {
        let whole = self.value.to_string();
        let mut shown: String = whole.chars().take(SHOWN).collect();
        if shown.len() < whole.len() {
            shown.push('…');
        }
        let subject = if self.path.is_empty() { "the file" } else { &self.path };
        Refusal::new(format_args!("{}: {subject} is {shown}, expected {expected}", self.file))
    }

    /// Makes sure that it is an object of these keys alone.
    pub(super) fn object(&self, known: &[&'static str]) -> Result<(), Refusal> {
        let object = self.value.as_object().ok_or_else(|| self.refuse("an object"))?;
        match object.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(Refusal::new(format_args!(
                "{}: {} is no key, expected {}",
                self.file,
                self.path_to(unknown),
                expected_one_of(unknown, known)
            ))),
        }
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// What is under a key, if anything.
    pub(super) fn get(&self, key: &str) -> Option<JsonPlace<'v>> {
        let value = self.value.get(key)?;
        Some(JsonPlace { file: self.file, path: self.path_to(key), value })
    }

    /// What has to be under a key.
    pub(super) fn need(&self, key: &str) -> Result<JsonPlace<'v>, Refusal> {
        self.get(key).ok_or_else(|| self.refuse(&format!("the key {key} in it")))
    }

    /// The keys and values of an object.
    pub(super) fn members(&self) -> Result<Vec<(String, Value)>, Refusal> {
        let object = self.value.as_object().ok_or_else(|| self.refuse("an object of options"))?;
        Ok(object.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// The elements of a list, of which there is at least one.
    pub(super) fn list(&self) -> Result<Vec<JsonPlace<'v>>, Refusal> {
        let list = self.value.as_array().filter(|list| (1..=MOST_ELEMENTS).contains(&list.len()));
        let list = list.ok_or_else(|| self.refuse(&format!("a list of 1 to {MOST_ELEMENTS} elements")))?;
        let element = |(index, value)| JsonPlace { file: self.file, path: format!("{}[{index}]", self.path), value };
        Ok(list.iter().enumerate().map(element).collect())
    }

    /// A text that is not empty, of at most so many characters.
    pub(super) fn text(&self, most: usize) -> Result<String, Refusal> {
        let text = self.value.as_str().filter(|text| (1..=most).contains(&text.chars().count()));
        text.map(str::to_owned).ok_or_else(|| self.refuse(&format!("a text of 1 to {most} characters")))
    }

    /// A number that is as it should be.
    pub(super) fn number(&self, is_right: impl Fn(f64) -> bool, expected: &str) -> Result<f64, Refusal> {
        self.value.as_f64().filter(|number| is_right(*number)).ok_or_else(|| self.refuse(expected))
    }

    /// A whole number from 1 on.
    pub(super) fn count(&self) -> Result<usize, Refusal> {
        let count = self.value.as_u64().filter(|count| (1..=MOST_COUNT).contains(count));
        count.map(|count| count as usize).ok_or_else(|| self.refuse("a whole number, at least 1"))
    }

    fn path_to(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
