//! Statistics as pure functions of numbers: no files, no tensors, no clock, and no random generator without a seed.
//!
//! A list of task pairs ([`pooled`]) is scored by rank [`correlation`] and Kendall's tau ([`kendall`]), separation of two
//! classes ([`auroc`]), time of warning ([`lead`]) and [`gain`] over a baseline (a logistic model on methods it
//! has not seen). [`aggregate`] sums scores up, [`paired_tests`] and the [`jackknife`] say how sure they are, [`friedman`] ranks several treatments, [`decay`] fits
//! the courses of step sizes.
//!
//! A number that does not exist is never replaced by one that does: it is an [`Undefined`] with its reason.

pub mod aggregate;
pub mod auroc;
pub mod beyond_present;
pub mod concordance;
pub mod correlation;
pub mod decay;
mod distribution;
pub mod estimate;
pub mod exchange;
mod exponential;
pub mod friedman;
pub mod gain;
pub mod gaps;
pub mod jackknife;
pub mod kendall;
pub mod lead;
mod logistic;
#[cfg(test)]
mod oracles;
pub mod paired_tests;
pub mod pooled;
pub mod random_effects;
pub mod ranks;

pub use estimate::{Estimate, Interval, Share, Undefined};
