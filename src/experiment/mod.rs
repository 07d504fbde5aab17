//! Experiments: a JSON file becomes validated types, and these become a plan, which is a list of runs.

mod engine;
mod error;
mod file;
mod json;
mod labels;
mod method;
mod plan;
mod same_arms;
mod schedule;
mod slurm;
mod wording;

#[cfg(test)]
mod tests;

pub(crate) use engine::Engine;
pub use error::ConfigError;
pub use file::Experiment;
pub(crate) use file::MOST_SEEDS;
pub use plan::{ImageFacts, Plan};
pub(crate) use same_arms::same_arms;
pub(crate) use slurm::SlurmOptions;
