//! A research harness for loss of trainability in continual learning.
//!
//! Rooms, from the top down; each depends on those below it alone: [`cli`], [`report`], [`analysis`], [`sweep`],
//! [`inspection`], [`train`], [`schedule`], [`probe`], [`optimizer`], [`network`], [`stream`], [`data`], [`config`], and the crate
//! `trainability_baselines` below all of them.

pub mod analysis;
pub mod cli;
pub mod config;
pub mod data;
pub mod inspection;
pub mod network;
pub mod optimizer;
pub mod probe;
pub mod random;
pub mod report;
pub mod schedule;
pub mod stream;
pub mod sweep;
pub mod text;
pub mod train;

/// The Rust code of the book, compiled by `cargo test --doc`.
#[cfg(doctest)]
#[doc = include_str!("../docs/architecture.md")]
mod book {}
