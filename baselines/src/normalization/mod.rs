//! Normalisations, one a file.

pub mod batch_norm;
pub mod layer_norm;

pub use crate::part::normalization::{Mode, Normalization};
