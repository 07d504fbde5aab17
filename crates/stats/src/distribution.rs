//! The two distribution functions that intervals and tests need: the normal, and Student's t at whole degrees of freedom.
//!
//! Own code: at whole degrees of freedom both are finite sums or fast series, good to the last digits, which general
//! approximations are not (those of `statrs` 0.19 are off by 4e-11 in the normal, and by 3e-13 in Student's quantiles).

use std::f64::consts::{FRAC_2_PI, PI};

/// P(Z <= z) of the standard normal distribution, by the power series of its integral around zero.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    // Beyond 8 standard deviations the rest is below 1e-15, and the series would lose all its digits.
    if z.abs() > 8.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + sum * (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}

/// P(|T| <= t) of Student's t: the finite trigonometric sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
fn student_t_within(t: f64, degrees: usize) -> f64 {
    let angle = (t / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut factor = if odd { 1.0 } else { 0.0 };
    while factor + 2.0 <= degrees as f64 {
        sum += term;
        term *= cosine * cosine * (factor + 1.0) / (factor + 2.0);
        factor += 2.0;
    }
    if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

/// P(|T| > t) of Student's t at `degrees` (at least 1) of freedom: the two-sided p of a t test.
pub(crate) fn student_t_outside(t: f64, degrees: usize) -> f64 {
    (1.0 - student_t_within(t.abs(), degrees)).clamp(0.0, 1.0)
}

/// The t that a variable of `degrees` (at least 1) degrees of freedom stays within, on both sides, with probability `within`.
pub(crate) fn student_t_two_sided(within: f64, degrees: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_within(high, degrees) < within && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if student_t_within(middle, degrees) < within { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_equals_scipy() {
        // [scipy.stats.norm.cdf(z) for z in (-4, -2.5, -1.96, 0, 1)]
        let golden = [
            (-4.0, 3.167124183311986e-05),
            (-2.5, 0.006209665325776132),
            (-1.96, 0.024997895148220435),
            (0.0, 0.5),
            (1.0, 0.8413447460685429),
        ];
        for (z, expected) in golden {
            assert!((normal_cdf(z) - expected).abs() < 1e-14, "{z}: {}", normal_cdf(z));
        }
        assert_eq!((normal_cdf(-40.0), normal_cdf(40.0)), (0.0, 1.0));
    }

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
}
