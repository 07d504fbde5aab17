//! Schedules: who decides each layer's learning rate, and when.
//!
//! A schedule is one file with a `KIND` of its own, named in [`SCHEDULES`].

pub mod bounds;
pub mod constant;
pub mod controller;
mod cosine;
mod decay;
mod definition;
mod exponential;
mod linear;
mod noise_curvature;
mod registry;
mod stability_cap;
mod step;
mod warmup_stable_decay;

#[cfg(test)]
mod tests;

pub use bounds::COMBINED;

pub use bounds::BOUNDS;

pub use bounds::Bound;

pub use bounds::Bounds;

pub use bounds::BoundOptions;

pub use bounds::BoundEstimator;
pub use definition::Action;
pub use definition::Resolved;
pub use definition::RunFacts;
pub use definition::ScheduleError;
pub use definition::ScheduleFactory;
pub use definition::ScheduleKind;
pub use definition::Scope;
pub use definition::{Progress, Schedule, Start};
pub(crate) use noise_curvature::{AS_RUN, as_run_variants};
pub use registry::{SCHEDULES, schedule};
