//! Predicted trainability: what the method's own criterion says about a task, on its own scale and on that of the accuracy.

use trainability_stats::estimate::Undefined;
use trainability_stats::gaps::defined;

/// Predicted trainability of each task, `1 - rho`, rho being the share of the task's measured updates at which any layer's
/// effective step exceeded its combined bound (arXiv 2509.19698).
pub(crate) fn predicted_trainability(rho: &[Option<f64>]) -> Vec<Option<f64>> {
    rho.iter().map(|rho| defined(*rho).map(|rho| 1.0 - rho)).collect()
}

/// The prediction of one run stretched so that its smallest and largest values are the run's smallest and largest online
/// accuracy, as the paper draws it. That uses the outcome, so it is for figures and is never scored.
///
/// # Errors
/// [`Undefined`] without a defined value on either side, or when the prediction is constant.
pub(crate) fn rescaled_to_accuracy(
    predicted: &[Option<f64>],
    accuracy: &[Option<f64>],
) -> Result<Vec<Option<f64>>, Undefined> {
    let (low, high) = range(predicted)?;
    let (bottom, top) = range(accuracy)?;
    if low == high {
        return Err(Undefined::ConstantIndicator);
    }
    let stretch = |value: f64| bottom + (top - bottom) * (value - low) / (high - low);
    Ok(predicted.iter().map(|value| defined(*value).map(stretch)).collect())
}

fn range(values: &[Option<f64>]) -> Result<(f64, f64), Undefined> {
    let defined = || values.iter().copied().filter_map(defined);
    let low = defined().reduce(f64::min).ok_or(Undefined::NoValues)?;
    let high = defined().reduce(f64::max).ok_or(Undefined::NoValues)?;
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prediction_spans_the_accuracy() {
        let predicted = predicted_trainability(&[Some(0.25), None, Some(0.75), Some(0.5)]);
        assert_eq!(predicted, [Some(0.75), None, Some(0.25), Some(0.5)]);
        let scaled = rescaled_to_accuracy(&predicted, &[Some(0.9), Some(0.1), None, Some(0.5)]);
        assert_eq!(scaled, Ok(vec![Some(0.9), None, Some(0.1), Some(0.5)]));
    }

    #[test]
    fn a_constant_prediction_has_no_scale() {
        let accuracy = [Some(0.9), Some(0.1)];
        assert_eq!(rescaled_to_accuracy(&[Some(1.0), Some(1.0)], &accuracy), Err(Undefined::ConstantIndicator));
        assert_eq!(rescaled_to_accuracy(&[None, None], &accuracy), Err(Undefined::NoValues));
    }
}
