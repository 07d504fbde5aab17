//! Second passes, one a file.

pub(crate) mod effective_rank;
pub(crate) mod sharpness_aware;

pub use crate::part::second_pass::{MinibatchGradients, SecondPass};
