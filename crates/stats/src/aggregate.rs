//! What a set of scores is summed up to: means, trend over tasks, interquartile mean, probability of improvement.

use super::estimate::Undefined;
use super::ranks::Order;

/// Weighted arithmetic mean.
///
/// # Errors
/// [`Undefined::NoValues`] without weight.
pub(crate) fn weighted_mean(values: &[f64], weights: &[f64]) -> Result<f64, Undefined> {
    let (mut sum, mut whole) = (0.0, 0.0);
    for (value, weight) in values.iter().zip(weights) {
        sum += value * weight;
        whole += weight;
    }
    if whole > 0.0 { Ok(sum / whole) } else { Err(Undefined::NoValues) }
}

/// Arithmetic mean.
///
/// # Errors
/// [`Undefined::NoValues`] of nothing.
pub fn mean(values: &[f64]) -> Result<f64, Undefined> {
    if values.is_empty() {
        return Err(Undefined::NoValues);
    }
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// The last quarter of a list, rounded up, so that it is empty only if the list is.
pub fn last_quarter<Value>(values: &[Value]) -> &[Value] {
    &values[values.len() - values.len().div_ceil(4)..]
}

/// The least-squares slope against the place in the list: the change a task of a value a task.
///
/// # Errors
/// [`Undefined`] below two values.
pub fn slope(values: &[f64]) -> Result<f64, Undefined> {
    if values.len() < 2 {
        return Err(Undefined::TooFew { have: values.len(), need: 2 });
    }
    let (center, mean) = ((values.len() - 1) as f64 / 2.0, mean(values)?);
    let (mut both, mut square) = (0.0, 0.0);
    for (task, value) in values.iter().enumerate() {
        let distance = task as f64 - center;
        both += distance * (value - mean);
        square += distance * distance;
    }
    Ok(both / square)
}

/// Interquartile mean: the mean without the lowest and the highest quarter, a quarter being rounded down to whole values
/// (R. Agarwal et al., *Deep RL at the Edge of the Statistical Precipice*, 2021; `scipy.stats.trim_mean(values, 0.25)`).
/// Of weighted values the same share of the whole weight is cut from each end.
///
/// # Errors
/// [`Undefined::NoValues`] without weight.
pub fn weighted_interquartile_mean(values: &[f64], weights: &[f64]) -> Result<f64, Undefined> {
    let whole: f64 = weights.iter().sum();
    if whole <= 0.0 {
        return Err(Undefined::NoValues);
    }
    let cut = whole * (values.len() / 4) as f64 / values.len() as f64;
    let (mut below, mut sum) = (0.0_f64, 0.0);
    for &place in Order::of(values).groups().flatten() {
        let above = below + weights[place];
        let kept = above.min(whole - cut) - below.max(cut);
        sum += values[place] * kept.max(0.0);
        below = above;
    }
    Ok(sum / (whole - 2.0 * cut))
}

/// Probability of improvement: how often a score of the arm exceeds one of the control, over all pairs of scores, ties counting
/// half (Agarwal et al., 2021; rliable's `probability_of_improvement`), each pair with the product of its weights.
///
/// # Errors
/// [`Undefined::NoValues`] when either side has no weight.
pub fn weighted_probability_of_improvement(
    arm: &[f64],
    arm_weights: &[f64],
    control: &[f64],
    control_weights: &[f64],
) -> Result<f64, Undefined> {
    let (mut better, mut whole) = (0.0, 0.0);
    for (score, weight) in arm.iter().zip(arm_weights) {
        for (other, other_weight) in control.iter().zip(control_weights) {
            let wins = if score > other {
                1.0
            } else if score == other {
                0.5
            } else {
                0.0
            };
            better += weight * other_weight * wins;
            whole += weight * other_weight;
        }
    }
    if whole > 0.0 { Ok(better / whole) } else { Err(Undefined::NoValues) }
}

/// Performance profile at one score: the weighted share of scores above tau (Agarwal et al., 2021; rliable's
/// `run_score_deviation`).
///
/// # Errors
/// [`Undefined::NoValues`] without weight.
pub fn performance_profile(scores: &[f64], weights: &[f64], tau: f64) -> Result<f64, Undefined> {
    let above: Vec<f64> = scores.iter().map(|score| if *score > tau { 1.0 } else { 0.0 }).collect();
    weighted_mean(&above, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interquartile_mean(values: &[f64]) -> Result<f64, Undefined> {
        weighted_interquartile_mean(values, &vec![1.0; values.len()])
    }

    fn probability_of_improvement(arm: &[f64], control: &[f64]) -> Result<f64, Undefined> {
        weighted_probability_of_improvement(arm, &vec![1.0; arm.len()], control, &vec![1.0; control.len()])
    }

    const S: [f64; 7] = [0.1, 0.9, 0.35, 0.4, 0.6, 0.8, 0.2];
    const T: [f64; 6] = [0.3, 0.35, 0.5, 0.15, 0.7, 0.8];

    fn near(value: Result<f64, Undefined>, expected: f64) {
        assert!((value.unwrap() - expected).abs() < 1e-14, "{value:?} is not {expected}");
    }

    #[test]
    fn equals_rliable_and_scipy() {
        // rliable.metrics.aggregate_iqm(s[:, None]), probability_of_improvement(s[:, None], t[:, None])
        near(interquartile_mean(&S), 0.47000000000000003);
        near(probability_of_improvement(&S, &T), 0.5238095238095238);
        // [rliable.library.run_score_deviation(s[:, None], tau) for tau in (0, .2, .35, .5, .8, .9)]
        let shares = [1.0, 0.7142857142857143, 0.5714285714285714, 0.42857142857142855, 0.14285714285714285, 0.0];
        for (tau, share) in [0.0, 0.2, 0.35, 0.5, 0.8, 0.9].into_iter().zip(shares) {
            near(performance_profile(&S, &[1.0; 7], tau), share);
        }
        // scipy.stats.linregress(range(7), s).slope
        near(slope(&S), 0.012500000000000008);
    }

    #[test]
    fn small_sets() {
        near(interquartile_mean(&[0.2, 0.4, 0.9]), 0.5);
        near(weighted_interquartile_mean(&[1.0, 2.0, 3.0, 4.0], &[4.0, 0.0, 0.0, 0.0]), 1.0);
        near(probability_of_improvement(&[0.5], &[0.5]), 0.5);
        assert_eq!(last_quarter(&[1.0, 2.0, 3.0, 4.0, 5.0]), [4.0, 5.0]);
        assert_eq!(last_quarter::<f64>(&[]), [0.0; 0]);
    }

    #[test]
    fn nothing_has_no_value() {
        assert_eq!(mean(&[]), Err(Undefined::NoValues));
        assert_eq!(interquartile_mean(&[]), Err(Undefined::NoValues));
        assert_eq!(probability_of_improvement(&[0.5], &[]), Err(Undefined::NoValues));
        assert_eq!(slope(&[0.5]), Err(Undefined::TooFew { have: 1, need: 2 }));
    }
}
