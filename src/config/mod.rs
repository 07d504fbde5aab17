//! Experiments: a JSON file becomes validated types, and these become a plan, which is a list of runs.

mod experiment;
mod json;
pub(crate) mod label;
mod method;
mod network;
mod plan;
mod same_arms;
mod schedule;
mod streams;
mod wording;

pub use experiment::{Data, Experiment, MOST_SEEDS, Precision, Training};
pub use method::MethodPlan;
pub use network::{NetworkKind, Networks};
pub use plan::{ImageFacts, Plan, RunPlan};
pub use same_arms::same_arms;
pub use schedule::SchedulePlan;
pub use streams::Streams;

/// What is wrong with a configuration: one sentence with the file, the key, what was there and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        problem: std::io::Error,
    },
    /// It is not JSON.
    #[error("{path} is not valid JSON: {problem}")]
    Syntax {
        /// The file.
        path: String,
        /// What the parser says, with line and column.
        problem: serde_json::Error,
    },
    /// An unknown key or a value of the wrong type.
    #[error("{path}: at `{}`: {message}", wording::short(.key))]
    Shape {
        /// The file.
        path: String,
        /// The key's path, such as `stream.tasks`.
        key: String,
        /// What was there and what is expected.
        message: String,
    },
    /// A value that cannot be.
    #[error("{path}: `{}` is {}, expected {expected}", wording::short(.key), wording::short(.found))]
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
    #[error("--set {}: {message}", wording::short(.given))]
    Set {
        /// What was given.
        given: String,
        /// What is wrong.
        message: String,
    },
}
