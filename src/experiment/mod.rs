//! Experiments: a JSON file becomes validated types, and these become a plan, which is a list of runs.

mod error;
mod experiment;
mod json;
mod labels;
mod method;
mod plan;
mod same_arms;
mod schedule;
mod wording;

pub use error::ConfigError;
pub use experiment::{Experiment, MOST_SEEDS};
pub use plan::{ImageFacts, Plan};
pub use same_arms::same_arms;
pub use schedule::SchedulePlan;
