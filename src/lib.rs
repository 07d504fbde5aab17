//! A research harness for loss of trainability in continual learning.
//!
//! Rooms, from the bottom up; each imports those before it alone: [`data`], [`stream`], [`model`], [`optimizer`], [`probe`],
//! [`schedule`], [`learner`], [`run`], [`experiment`], [`sweep`], [`inspection`], [`cli`].

pub mod analysis;
pub mod cli;
pub mod data;
pub mod experiment;
pub mod inspection;
pub mod learner;
pub mod model;
pub mod optimizer;
pub mod probe;
pub mod report;
pub mod run;
pub mod schedule;
pub mod stream;
pub mod sweep;
pub mod text;
pub mod train;

/// The Rust code of the book, compiled by `cargo test --doc`.
#[cfg(doctest)]
#[doc = include_str!("../docs/architecture.md")]
mod book {}
