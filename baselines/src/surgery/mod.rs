//! Surgery, one a file.

pub mod continual_backprop;
pub(crate) mod dash;
pub(crate) mod fire;
pub(crate) mod hare_tortoise;
pub(crate) mod normalize_and_project;
pub mod period;
pub mod redo;
pub mod reset;
pub(crate) mod self_normalized_resets;
pub mod shrink_perturb;
pub(crate) mod tensors;
pub mod units;
pub(crate) mod upgd;
pub(crate) mod weight_clipping;

pub use crate::part::surgery::{Intervention, Network, Surgery};
