//! What is wrong with an experiment file.

use std::borrow::Cow;

/// What is wrong with a configuration: one sentence with the file, the key, what was there and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says, or what it is instead.
        problem: String,
    },
    /// It is not JSON.
    #[error("{path} is not valid JSON: {problem}")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser says, with line and column, and what to do.
        problem: String,
    },
    /// An unknown key or a value of the wrong type.
    #[error("{path}: at `{}`: {message}", short(.key))]
    Shape {
        /// The file.
        path: String,
        /// The key's path, such as `stream.tasks`.
        key: String,
        /// What was there and what is expected.
        message: String,
    },
    /// A value that cannot be.
    #[error("{path}: `{}` is {}, expected {expected}", short(.key), short(.found))]
    Value {
        /// The file.
        path: String,
        /// The key's path.
        key: String,
        /// What was there.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A `--set` that is not of the form `a.b=value`, or that leads through something that is no object.
    #[error("--set {}: {message}", short(.given))]
    Set {
        /// What was given.
        given: String,
        /// What is wrong.
        message: String,
    },
}

/// The most characters of what was found that a sentence shows.
const MOST_SHOWN: usize = 200;

/// The text, or the beginning of one that no sentence could hold.
pub(super) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
