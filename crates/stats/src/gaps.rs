//! Columns with gaps: an undefined value is `None`, and NaN is none.

/// The value, if it is one.
pub fn defined(value: Option<f64>) -> Option<f64> {
    value.filter(|value| !value.is_nan())
}

/// All values of a column, if each is defined.
pub fn all_defined(column: &[Option<f64>]) -> Option<Vec<f64>> {
    column.iter().copied().map(defined).collect()
}

/// The mean of a column of at least one value, if each is defined.
pub fn defined_mean(column: &[Option<f64>]) -> Option<f64> {
    let sum = column.iter().try_fold(0.0, |sum, &value| Some(sum + defined(value)?))?;
    (!column.is_empty()).then(|| sum / column.len() as f64)
}
