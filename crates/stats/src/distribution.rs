//! The distribution function that intervals and tests need: Student's t at whole degrees of freedom.
//!
//! Own code: at whole degrees of freedom it is a finite sum, good to the last digits, which a general approximation is not (that
//! of `statrs` 0.19 is off by 3e-13 in the quantiles).

use std::f64::consts::FRAC_2_PI;

/// P(|T| <= t) of Student's t: the finite trigonometric sums of Abramowitz and Stegun, 26.7.3 and 26.7.4; and the same sums'
/// terms from there on, without end.
fn student_t(t: f64, degrees: usize) -> (f64, impl Iterator<Item = f64>) {
    let root = (degrees as f64).sqrt();
    let angle = (t / root).atan();
    // Not the angle's, which has lost its digits near a right angle.
    let (sine, cosine) = (angle.sin(), root / root.hypot(t));
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut factor = if odd { 1.0 } else { 0.0 };
    let step = move |term: f64, factor: f64| term * (cosine * cosine * (factor + 1.0) / (factor + 2.0));
    while factor + 2.0 <= degrees as f64 {
        sum += term;
        term = step(term, factor);
        factor += 2.0;
    }
    let scale = if odd { FRAC_2_PI * sine } else { sine };
    let rest =
        std::iter::successors(Some((term, factor)), move |&(term, factor)| Some((step(term, factor), factor + 2.0)));
    let within = if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    (within, rest.map(move |(term, _)| scale * term))
}

/// Below it, a difference from 1 would have lost digits that are wanted.
const SMALL: f64 = 1e-6;

/// P(|T| > t) of Student's t at `degrees` (at least 1) of freedom: the two-sided p of a t test. A small one is what the finite
/// sum leaves out of the endless one, which is 1.
pub(crate) fn student_t_outside(t: f64, degrees: usize) -> f64 {
    let (within, rest) = student_t(t.abs(), degrees);
    // Of no number, neither is a number.
    if within.is_nan() || within < 1.0 - SMALL {
        return (1.0 - within).clamp(0.0, 1.0);
    }
    let mut outside = 0.0;
    for term in rest {
        outside += term;
        if term <= f64::EPSILON * outside {
            break;
        }
    }
    outside
}

/// The t that a variable of `degrees` (at least 1) degrees of freedom stays within, on both sides, with probability `within`.
pub(crate) fn student_t_two_sided(within: f64, degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    let student_t_within = |t: f64| student_t(t, degrees).0;
    while student_t_within(high) < within && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_t_within(middle) < within { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_equals_scipy() {
        // [scipy.stats.t.ppf(0.975, df) for df in (1, 2, 3, 4, 9, 42, 200)]
        let golden = [
            (1, 12.706204736174694),
            (2, 4.302652729749462),
            (3, 3.1824463052837078),
            (4, 2.7764451051977934),
            (9, 2.262157162798205),
            (42, 2.0180817028184443),
            (200, 1.9718962236339088),
        ];
        for (degrees, expected) in golden {
            let t = student_t_two_sided(0.95, degrees);
            assert!((t - expected).abs() < 1e-9 * expected, "{degrees}: {t}");
        }
    }

    #[test]
    fn a_small_probability_outside_keeps_its_digits() {
        // P(|T| > t), the regularised incomplete beta function at 40 digits (mpmath).
        let golden = [
            (1, 0.5, 0.7048327646991335),
            (1, 100.0, 0.00636598552981651),
            (1, 1000000000.0, 6.366197723675813e-10),
            (2, 3.0, 0.09546596626670913),
            (3, 40.0, 3.4380680789158526e-05),
            (4, 2.0, 0.11611652351681559),
            (9, 12.5, 5.434313181780652e-07),
            (35, 34.0, 2.1167110226396007e-28),
            (36, 1.0, 0.3239850262651272),
            (36, 34.0, 5.855306866315402e-29),
            (42, 1000.0, 1.498274328184442e-93),
            (201, 2.0, 0.04684643992696309),
            (201, 60.0, 2.8375796445695036e-130),
        ];
        for (degrees, t, expected) in golden {
            let p = student_t_outside(t, degrees);
            assert!((p - expected).abs() <= 1e-9 * expected, "{degrees}, {t}: {p:e} instead of {expected:e}");
        }
        assert_eq!(student_t_outside(0.0, 4), 1.0);
        assert_eq!(student_t_outside(f64::INFINITY, 3), 0.0);
        assert!(student_t_outside(f64::NAN, 3).is_nan());
    }
}
