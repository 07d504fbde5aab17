//! What a part of a method can be, and how a configuration names one.

pub mod activation;
pub mod curvature;
pub mod gradient_rule;
pub mod normalization;
pub mod penalty;
mod registered;
pub mod second_pass;
pub mod surgery;

pub use registered::{Contribution, Part, PartError, PartOptions};
