//! Kendall's tau-b in O(n log n).

use std::cmp::Ordering;

use super::estimate::{Undefined, at_least_two};

/// Kendall's tau-b: concordant less discordant pairs, over the geometric mean of the pairs untied on either side (M. G. Kendall,
/// 1945), counted by sorting as in W. R. Knight, *J. Am. Stat. Assoc.* 61, 1966.
///
/// # Errors
/// [`Undefined`] below two pairs, or when either side is constant.
///
/// # Panics
/// When the lists differ in length.
pub fn kendall(indicator: &[f64], outcome: &[f64]) -> Result<f64, Undefined> {
    assert_eq!(indicator.len(), outcome.len(), "a correlation needs pairs");
    at_least_two(indicator.len())?;
    let mut pairs: Vec<(f64, f64)> = indicator.iter().copied().zip(outcome.iter().copied()).collect();
    pairs.sort_by(|left, right| order(left.0, right.0).then(order(left.1, right.1)));

    let all = choose_two(pairs.len());
    let tied_indicator = tied_pairs(&pairs, |left, right| left.0 == right.0);
    let tied_both = tied_pairs(&pairs, |left, right| left == right);
    let mut outcomes: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    // Within equal indicators the outcomes already ascend, so every inversion is a discordant pair.
    let discordant = sort_counting_inversions(&mut outcomes, &mut vec![0.0; pairs.len()]);
    let tied_outcome = tied_pairs(&outcomes, |left, right| left == right);

    if tied_indicator == all {
        return Err(Undefined::ConstantIndicator);
    }
    if tied_outcome == all {
        return Err(Undefined::ConstantOutcome);
    }
    let untied = (all + tied_both) as f64 - (tied_indicator + tied_outcome) as f64;
    let scale = ((all - tied_indicator) as f64).sqrt() * ((all - tied_outcome) as f64).sqrt();
    Ok(((untied - 2.0 * discordant as f64) / scale).clamp(-1.0, 1.0))
}

/// NaN must have been left out; zeros of either sign are equal.
fn order(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or(Ordering::Equal)
}

fn choose_two(n: usize) -> u64 {
    n as u64 * (n as u64).saturating_sub(1) / 2
}

/// Pairs among the members of each run of equal neighbours.
fn tied_pairs<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> u64 {
    sorted.chunk_by(equal).map(|chunk| choose_two(chunk.len())).sum()
}

/// Merge sort; returns how many pairs stood in descending order.
fn sort_counting_inversions(values: &mut [f64], scratch: &mut [f64]) -> u64 {
    let length = values.len();
    if length < 2 {
        return 0;
    }
    let middle = length / 2;
    let mut inversions = sort_counting_inversions(&mut values[..middle], &mut scratch[..middle])
        + sort_counting_inversions(&mut values[middle..], &mut scratch[middle..]);
    let (mut left, mut right) = (0, middle);
    for place in scratch.iter_mut() {
        if left < middle && (right == length || values[left] <= values[right]) {
            *place = values[left];
            left += 1;
        } else {
            *place = values[right];
            right += 1;
            inversions += (middle - left) as u64;
        }
    }
    values.copy_from_slice(scratch);
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_scipy() {
        let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
        let y = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0, 2.0, 8.0];
        // scipy.stats.kendalltau(x, y).statistic
        assert!((kendall(&x, &y).unwrap() - 0.13041013273932525).abs() < 1e-14);
        // x = [0.5, inf, 2, inf, 1, -inf]; kendalltau(rankdata(x), [.9, .2, .8, .3, .4, .95]).statistic
        let infinite = [0.5, f64::INFINITY, 2.0, f64::INFINITY, 1.0, f64::NEG_INFINITY];
        let tau = kendall(&infinite, &[0.9, 0.2, 0.8, 0.3, 0.4, 0.95]).unwrap();
        assert!((tau + 0.8280786712108251).abs() < 1e-14);
    }

    #[test]
    fn constants_are_undefined() {
        assert_eq!(kendall(&[], &[]), Err(Undefined::NoValues));
        assert_eq!(kendall(&[2.0, 2.0], &[1.0, 2.0]), Err(Undefined::ConstantIndicator));
        assert_eq!(kendall(&[1.0, 2.0], &[0.0, -0.0]), Err(Undefined::ConstantOutcome));
    }
}
