//! Normalisations, one a file.

use crate::options::OptionError;

pub mod batch_norm;
pub mod layer_norm;

pub use crate::part::normalization::{Mode, Normalization};

/// The number that is added to a variance, if it is one that can be.
fn check_epsilon(epsilon: f64) -> Result<f64, OptionError> {
    if epsilon.is_finite() && epsilon > 0.0 {
        return Ok(epsilon);
    }
    Err(OptionError::new("epsilon", epsilon, "a finite number above 0"))
}
