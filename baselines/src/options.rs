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

/// The names that may have been meant by one that there is not, for the end of a sentence; nothing where none is near. A name
/// is near that differs in few letters, or goes on where this one ends.
///
/// ```
/// use trainability_baselines::options::did_you_mean;
///
/// assert_eq!(did_you_mean("ReLu", ["crelu", "relu"]), " (did you mean relu?)");
/// assert_eq!(did_you_mean("l2", ["relu", "l2_adam", "l2_loss"]), " (did you mean l2_adam or l2_loss?)");
/// assert_eq!(did_you_mean("dropout", ["relu", "redo"]), "");
/// ```
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |name: &str| name.trim().to_lowercase().replace(['-', ' '], "_");
    let (name, known) = (plain(name), Vec::from_iter(known));
    let distance = |other: &str| strsim::damerau_levenshtein(&name, &plain(other));
    let most = |other: &str| name.len().max(other.len()).div_ceil(3).min(3);
    let near = known.iter().map(|other| (distance(other), *other)).filter(|(edits, other)| *edits <= most(other));
    let guesses = match near.min() {
        Some((_, nearest)) => vec![nearest],
        None if name.len() < 2 => Vec::new(),
        None => known.into_iter().filter(|other| plain(other).starts_with(&name)).take(3).collect(),
    };
    if guesses.is_empty() { String::new() } else { format!(" (did you mean {}?)", guesses.join(" or ")) }
}

/// What is expected in the place of a name that is in no registry: those that there are, and the nearest.
pub fn expected_one_of(name: &str, known: &[&str]) -> String {
    format!("one of {}{}", known.join(", "), did_you_mean(name, known.iter().copied()))
}
