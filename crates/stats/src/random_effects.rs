//! Estimates of several groups summed up, the groups being a sample of what might have been studied: random effects.
//!
//! The variance between groups by R. DerSimonian and N. Laird (*Control. Clin. Trials* 7, 1986), the interval of the mean by J. Hartung
//! and G. Knapp (*Stat. Med.* 20, 2001), and the interval in which the next group is to be expected by J. P. T. Higgins, S. G. Thompson
//! and D. J. Spiegelhalter (*J. R. Stat. Soc. A* 172, 2009), here with K - 1 degrees of freedom.

use super::distribution::{student_t_outside, student_t_two_sided};
use super::estimate::{Interval, Undefined, at_least_two};

/// The mean over groups, and how far groups lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomEffects {
    /// The mean over groups.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// tau^2, the variance between groups.
    pub between: f64,
    /// Groups.
    pub groups: usize,
}

impl RandomEffects {
    /// From the point and the standard error of each group. A standard error below `floor` counts as that: few seeds can agree
    /// by chance, and would silence all other groups.
    ///
    /// # Errors
    /// [`Undefined`] below two groups.
    pub fn of(groups: &[(f64, f64)], floor: f64) -> Result<RandomEffects, Undefined> {
        at_least_two(groups.len())?;
        let variances: Vec<f64> = groups.iter().map(|(_, error)| error.max(floor).powi(2)).collect();
        let points = || groups.iter().map(|(point, _)| *point);
        let mean_by = |weights: &[f64]| {
            points().zip(weights).map(|(point, weight)| point * weight).sum::<f64>() / weights.iter().sum::<f64>()
        };
        let spread_by = |weights: &[f64], mean: f64| {
            points().zip(weights).map(|(point, weight)| weight * (point - mean).powi(2)).sum::<f64>()
        };
        let degrees = groups.len() as f64 - 1.0;
        let fixed: Vec<f64> = variances.iter().map(|variance| 1.0 / variance).collect();
        let sum: f64 = fixed.iter().sum();
        let squares: f64 = fixed.iter().map(|weight| weight * weight).sum();
        let between = ((spread_by(&fixed, mean_by(&fixed)) - degrees) / (sum - squares / sum)).max(0.0);
        let weights: Vec<f64> = variances.iter().map(|variance| 1.0 / (variance + between)).collect();
        let mean = mean_by(&weights);
        let error = (spread_by(&weights, mean) / degrees / weights.iter().sum::<f64>()).sqrt();
        Ok(RandomEffects { mean, error, between, groups: groups.len() })
    }

    /// The 95 % interval in which the next group is to be expected, clipped to the range.
    pub fn prediction(&self, range: Interval) -> Interval {
        let half = student_t_two_sided(0.95, self.groups - 1) * (self.between + self.error * self.error).sqrt();
        let clipped = |end: f64| end.clamp(range.low, range.high);
        Interval { low: clipped(self.mean - half), high: clipped(self.mean + half) }
    }

    /// Two-sided p of the hypothesis that the mean is `null`.
    ///
    /// # Errors
    /// [`Undefined::NoSpread`] where all groups agree.
    pub fn p(&self, null: f64) -> Result<f64, Undefined> {
        if self.error <= 0.0 {
            return Err(Undefined::NoSpread);
        }
        Ok(student_t_outside((self.mean - null) / self.error, self.groups - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    /// Three groups of standard error 1 at 0, 3 and 6: Q = 18, C = 2, tau^2 = (18 - 2) / 2 = 8; weights 1/9 each, so that the mean
    /// is 3 and its squared standard error 18 / 9 / 2 / (1/3) = 3.
    #[test]
    fn equal_groups_by_hand() {
        let found = RandomEffects::of(&[(0.0, 1.0), (3.0, 1.0), (6.0, 1.0)], 0.0).unwrap();
        near(found.mean, 3.0);
        near(found.between, 8.0);
        near(found.error, 3.0_f64.sqrt());
        let interval = found.prediction(Interval::ALL);
        // scipy.stats.t.ppf(0.975, 2) = 4.302652729749464
        near(0.1 * interval.high, 0.1 * (3.0 + 4.302652729749464 * 11.0_f64.sqrt()));
        assert_eq!(found.prediction(Interval { low: 0.0, high: 5.0 }), Interval { low: 0.0, high: 5.0 });
        // 2 * scipy.stats.t.sf(3 / 3**0.5, 2)
        near(found.p(0.0).unwrap(), 0.22540333075851665);
    }

    #[test]
    fn unequal_groups_and_the_floor() {
        // numpy, from the papers' formulas.
        let found = RandomEffects::of(&[(0.6, 0.05), (0.4, 0.1), (0.75, 0.02), (0.55, 0.08)], 0.0).unwrap();
        near(found.mean, 0.5946914894009238);
        near(found.between, 0.0174524697938877);
        near(found.error, 0.07134327009934312);
        let floored = RandomEffects::of(&[(0.6, 1e-9), (0.4, 0.1)], 0.1).unwrap();
        near(floored.mean, 0.5);
        assert_eq!(RandomEffects::of(&[(0.6, 0.1)], 0.0), Err(Undefined::TooFew { have: 1, need: 2 }));
        assert_eq!(RandomEffects::of(&[(0.6, 0.1), (0.6, 0.1)], 0.0).unwrap().p(0.5), Err(Undefined::NoSpread));
    }
}
