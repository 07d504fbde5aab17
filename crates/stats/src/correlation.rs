//! Spearman's rank correlation, plain and weighted.

use super::estimate::{Undefined, at_least_two};
use super::ranks::Order;

/// The fewest pairs from which a correlation within a run is taken: two points always correlate perfectly.
pub const FEWEST_PAIRS: usize = 3;

/// Spearman's rho: Pearson's correlation of the average ranks (C. Spearman, 1904).
///
/// # Errors
/// [`Undefined`] below two pairs, or when either side is constant.
///
/// # Panics
/// When the lists differ in length.
pub fn spearman(indicator: &[f64], outcome: &[f64]) -> Result<f64, Undefined> {
    let weights = vec![1.0; indicator.len()];
    WeightedSpearman::new(indicator, outcome).value(&weights)
}

/// Spearman's rho of pairs that are sorted once and then weighted again and again.
#[derive(Clone, Debug)]
pub struct WeightedSpearman {
    indicator: Order,
    outcome: Order,
    indicator_ranks: Vec<f64>,
    outcome_ranks: Vec<f64>,
}

impl WeightedSpearman {
    /// Sorts both sides.
    ///
    /// # Panics
    /// When the lists differ in length.
    pub fn new(indicator: &[f64], outcome: &[f64]) -> Self {
        assert_eq!(indicator.len(), outcome.len(), "a correlation needs pairs");
        Self {
            indicator: Order::of(indicator),
            outcome: Order::of(outcome),
            indicator_ranks: vec![0.0; indicator.len()],
            outcome_ranks: vec![0.0; outcome.len()],
        }
    }

    /// Rho in which the pair at place i counts `weights[i]` times; whole weights are the same as repeated pairs.
    ///
    /// # Errors
    /// As [`spearman`], over the pairs with weight.
    pub fn value(&mut self, weights: &[f64]) -> Result<f64, Undefined> {
        at_least_two(self.indicator.len())?;
        if self.indicator.mid_ranks(weights, &mut self.indicator_ranks) < 2 {
            return Err(Undefined::ConstantIndicator);
        }
        if self.outcome.mid_ranks(weights, &mut self.outcome_ranks) < 2 {
            return Err(Undefined::ConstantOutcome);
        }
        // The weighted mean of mid-ranks is always half the whole weight.
        let mean = 0.5 * weights.iter().sum::<f64>();
        let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
        for ((x, y), weight) in self.indicator_ranks.iter().zip(&self.outcome_ranks).zip(weights) {
            let (x, y) = (x - mean, y - mean);
            both += weight * x * y;
            left += weight * x * x;
            right += weight * y * y;
        }
        Ok((both / (left * right).sqrt()).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 10] = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
    const Y: [f64; 10] = [2.0, 7.0, 1.0, 8.0, 2.0, 8.0, 1.0, 8.0, 2.0, 8.0];

    #[test]
    fn equals_scipy() {
        // scipy.stats.spearmanr(x, y).statistic
        assert!((spearman(&X, &Y).unwrap() - 0.13471506281091267).abs() < 1e-14);
        // x = [0.5, inf, 2, inf, 1, -inf]; spearmanr(rankdata(x), [.9, .2, .8, .3, .4, .95]).statistic
        let infinite = [0.5, f64::INFINITY, 2.0, f64::INFINITY, 1.0, f64::NEG_INFINITY];
        let rho = spearman(&infinite, &[0.9, 0.2, 0.8, 0.3, 0.4, 0.95]).unwrap();
        assert!((rho + 0.9276336570439174).abs() < 1e-14);
    }

    #[test]
    fn whole_weights_equal_scipy_on_repetitions() {
        // w = [1, 2, 0, 3, 1, 1, 2, 0, 4, 1]; spearmanr(np.repeat(x, w), np.repeat(y, w)).statistic
        let weights = [1.0, 2.0, 0.0, 3.0, 1.0, 1.0, 2.0, 0.0, 4.0, 1.0];
        let rho = WeightedSpearman::new(&X, &Y).value(&weights).unwrap();
        assert!((rho + 0.33010418692773885).abs() < 1e-14);
    }

    #[test]
    fn what_has_no_order_is_undefined() {
        assert_eq!(spearman(&[], &[]), Err(Undefined::NoValues));
        assert_eq!(spearman(&[1.0], &[1.0]), Err(Undefined::TooFew { have: 1, need: 2 }));
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), Err(Undefined::ConstantIndicator));
        assert_eq!(spearman(&[1.0, 2.0], &[1.0, 1.0]), Err(Undefined::ConstantOutcome));
    }
}
