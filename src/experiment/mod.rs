//! Experiments: a JSON file becomes validated types, and these become a plan, which is a list of runs.

mod engine;
mod error;
mod file;
mod grid_keys;
mod images;
mod json;
mod labels;
mod method;
mod plan;
mod same_arms;
mod schedule;
mod schema;
mod seeds;
mod slurm;
mod source;
mod wanted;
mod wording;

#[cfg(test)]
mod tests;

pub(crate) use engine::Engine;
pub use error::ConfigError;
pub use file::Experiment;
pub use images::ImageFacts;
pub use plan::Plan;
pub(crate) use same_arms::same_arms;
pub(crate) use seeds::MOST_SEEDS;
pub(crate) use slurm::SlurmOptions;
