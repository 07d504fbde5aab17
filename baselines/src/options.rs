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

/// Refuses `found` for `key` unless a condition holds.
///
/// # Errors
/// It does not.
pub fn check(key: &str, found: impl ToString, holds: bool, expected: &str) -> Result<(), OptionError> {
    if holds { Ok(()) } else { Err(OptionError::new(key, found, expected)) }
}

/// Refuses what is not a finite number above 0.
///
/// # Errors
/// Zero, negative, infinite or not a number.
pub fn check_positive(key: &str, found: f64) -> Result<(), OptionError> {
    check(key, found, found.is_finite() && found > 0.0, "a finite number above 0")
}

/// The coefficient of a penalty or a decay, if it is one that does something.
///
/// # Errors
/// Zero, negative, infinite or not a number: a method that is switched off must not run under its own name.
pub fn check_coefficient(coefficient: f64) -> Result<f64, OptionError> {
    let expected = "a finite number above 0 (leave the method out to switch it off)";
    check("coefficient", coefficient, coefficient.is_finite() && coefficient > 0.0, expected)?;
    Ok(coefficient)
}
