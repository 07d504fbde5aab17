//! A research harness for loss of trainability in continual learning.
//!
//! Rooms, from the top down; each depends on those below it alone: [`cli`], [`sweep`], [`inspection`], [`train`], [`schedule`],
//! [`probe`], [`optimizer`], [`network`], [`stream`], [`data`], [`config`], and below all of them the crates
//! `trainability_baselines` and `trainability_record`. The report is a crate of its own, `trainability_report`, which reads
//! what a sweep wrote, on the statistics of `trainability_stats`.

pub mod cli;
pub mod config;
pub mod data;
pub mod inspection;
pub mod network;
pub mod optimizer;
pub mod probe;
pub mod random;
pub mod schedule;
pub mod stream;
pub mod sweep;
pub mod train;
