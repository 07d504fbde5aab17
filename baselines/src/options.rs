//! What is wrong with an option's value.

/// A value that a part cannot work with.
#[derive(Debug, thiserror::Error)]
#[error("`{key}` is {found}, expected {expected}")]
pub struct OptionError {
    /// The option's key.
    pub key: String,
    /// What was given.
    pub found: String,
    /// What would have been right.
    pub expected: String,
}

impl OptionError {
    /// Refuses `found` for `key`.
    pub fn new(key: &str, found: impl ToString, expected: &str) -> OptionError {
        OptionError { key: key.to_owned(), found: found.to_string(), expected: expected.to_owned() }
    }
}

/// The coefficient of a penalty or a decay, if it is one that does something.
///
/// # Errors
/// Zero, negative, infinite or not a number: a method that is switched off must not run under its own name.
pub fn check_coefficient(coefficient: f64) -> Result<f64, OptionError> {
    if coefficient.is_finite() && coefficient > 0.0 {
        return Ok(coefficient);
    }
    Err(OptionError::new("coefficient", coefficient, "a finite number above 0 (leave the method out to switch it off)"))
}
