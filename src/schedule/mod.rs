//! Schedules: who decides each layer's learning rate, and when.
//!
//! A schedule is one file with a `KIND` of its own, named in [`SCHEDULES`].

pub mod bounds;
mod choice;
pub mod constant;
pub mod controller;
mod cosine;
mod decay;
mod definition;
mod exponential;
mod linear;
mod noise_curvature;
mod registry;
mod replay;
mod stability_cap;
mod step;
mod warmup_stable_decay;

#[cfg(test)]
mod tests;

pub use bounds::{BOUNDS, Bound, BoundEstimator, BoundOptions, Bounds, COMBINED};
pub use choice::{NoiseCurvature, ScheduleChoice};
pub use definition::{
    Action, Progress, Resolved, RunFacts, Schedule, ScheduleError, ScheduleFactory, ScheduleKind, Scope, Start,
};
pub(crate) use noise_curvature::{AS_RUN, as_run_variants};
pub use registry::{SCHEDULES, schedule};
