//! Statistics of finished runs: pure functions of numbers, without tensors, files, clock or a generator that is not seeded.
//!
//! The way of the data: [`series::Series`] (one a run) are paired with their future in [`outcomes`], scored per indicator in
//! [`predictiveness`] and per arm in [`comparison`] and per schedule in
//! [`schedules`], and flattened to lines of CSV in [`rows`];
//! [`claims`] holds the paper's claims against them. Below these lie the plain
//! statistics: [`ranks`], [`correlation`], [`kendall`], [`auroc`], [`lead`], [`gain`] with [`logistic`], [`aggregate`], [`paired_tests`],
//! [`bootstrap`], [`distribution`].
//!
//! A number that does not exist is never replaced by one that does: it is an [`Undefined`] with its reason.

pub mod aggregate;
pub mod auroc;
pub mod bootstrap;
pub mod claims;
pub mod comparison;
pub mod correlation;
pub mod decay;
pub mod distribution;
pub mod estimate;
pub mod gain;
pub mod kendall;
pub mod lead;
pub mod logistic;
pub mod outcomes;
pub mod paired_tests;
pub mod pooled;
pub mod predictiveness;
pub mod ranks;
pub mod rows;
pub mod schedules;
pub mod series;
pub mod trainability;
pub mod warnings;
#[cfg(test)]
mod witness;

pub use bootstrap::BootstrapOptions;
pub use comparison::{ArmSummary, compare_arms};
pub use estimate::{Estimate, Interval, Share, Undefined};
pub use predictiveness::{Indicator, Predictiveness, PredictivenessOptions, score_indicators};
pub use rows::{PredictivenessRow, SummaryRow};
pub use schedules::{ScheduleSummary, compare_schedules};
pub use series::{Arm, Series};
