//! Surgery, one a file.

pub mod continual_backprop;
pub mod period;
pub mod redo;
pub mod reset;
pub mod shrink_perturb;
pub mod units;

pub use crate::part::surgery::{Intervention, Network, Surgery};
