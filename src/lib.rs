//! A research harness for loss of trainability in continual learning.
//!
//! Rooms, from the bottom up; each imports those before it alone: [`data`], [`stream`], [`model`], [`optimizer`], [`probe`],
//! [`schedule`], [`learner`], [`run`], [`experiment`], [`sweep`], [`inspection`], [`cli`].
//! The report is a crate of its own, `trainability_report`, which reads what a sweep wrote (`trainability_record`).

pub mod cli;
pub mod data;
pub mod experiment;
pub mod inspection;
pub mod learner;
pub mod model;
pub mod optimizer;
pub mod prelude;
pub mod probe;
pub mod run;
pub mod schedule;
pub mod stream;
pub mod sweep;

/// The Rust code of the book, compiled by `cargo test --doc`.
#[cfg(doctest)]
#[doc = include_str!("../docs/architecture.md")]
#[doc = include_str!("../docs/own-network.md")]
mod book {}

#[cfg(test)]
mod testing;
