//! Several treatments over the same blocks: mean ranks, Friedman's test of no difference at all, and the critical difference of two
//! mean ranks (J. Demšar, *Statistical Comparisons of Classifiers over Multiple Data Sets*, JMLR 7, 2006).

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::estimate::Undefined;
use crate::ranks::Order;

/// Mean ranks of treatments, the largest score having rank 1 in its block; equal scores share the mean of their ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanRanks {
    /// Blocks.
    pub blocks: usize,
    /// One a treatment.
    pub ranks: Vec<f64>,
    /// The chance that treatments which do not differ have mean ranks so far apart.
    pub p: f64,
    /// Two treatments whose mean ranks are further apart than this differ, at 5 % over all pairs (Nemenyi's test).
    pub critical_difference: f64,
}

/// Orders of each block that are drawn for [`MeanRanks::p`].
const DRAWS: usize = 9_999;
/// The chance of any false difference over all pairs.
const LEVEL: f64 = 0.05;

impl MeanRanks {
    /// Of scores, a row a block and a column a treatment. Friedman's statistic, the spread of the mean ranks, is held against ranks that
    /// are shuffled within each block: an exact test up to the draws, which needs no large number of blocks.
    ///
    /// # Errors
    /// Fewer than two blocks or treatments, or a score that is not finite.
    ///
    /// # Panics
    /// Blocks with different numbers of scores.
    pub fn of(scores: &[Vec<f64>], seed: u64) -> Result<MeanRanks, Undefined> {
        let treatments = scores.first().map_or(0, Vec::len);
        if let Some(have) = [scores.len(), treatments].into_iter().find(|have| *have < 2) {
            return Err(Undefined::TooFew { have, need: 2 });
        }
        if scores.iter().flatten().any(|score| !score.is_finite()) {
            return Err(Undefined::NoValues);
        }
        let mut blocks: Vec<Vec<f64>> = scores.iter().map(|block| ranks_of(block, treatments)).collect();
        let ranks = means(&blocks);
        let observed = spread(&ranks);
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut as_far = 0;
        for _ in 0..DRAWS {
            blocks.iter_mut().for_each(|block| block.shuffle(&mut generator));
            // What differs by rounding alone is as far.
            as_far += usize::from(spread(&means(&blocks)) >= observed * (1.0 - 1e-12));
        }
        let (k, n) = (treatments as f64, scores.len() as f64);
        let critical_difference = studentized_range(1.0 - LEVEL, treatments) * (k * (k + 1.0) / (12.0 * n)).sqrt();
        let p = (as_far + 1) as f64 / (DRAWS + 1) as f64;
        Ok(MeanRanks { blocks: scores.len(), ranks, p, critical_difference })
    }
}

/// Ranks from 1, the largest first.
fn ranks_of(scores: &[f64], treatments: usize) -> Vec<f64> {
    assert_eq!(scores.len(), treatments, "a block has a score of every treatment");
    let mut ranks = vec![0.0; treatments];
    let falling: Vec<f64> = scores.iter().map(|score| -score).collect();
    Order::of(&falling).mid_ranks(&vec![1.0; treatments], &mut ranks);
    ranks.iter().map(|rank| rank + 0.5).collect()
}

fn means(blocks: &[Vec<f64>]) -> Vec<f64> {
    let of_treatment = |place: usize| blocks.iter().map(|block| block[place]).sum::<f64>() / blocks.len() as f64;
    (0..blocks[0].len()).map(of_treatment).collect()
}

/// Friedman's statistic but for a factor that shuffling does not change.
fn spread(ranks: &[f64]) -> f64 {
    let middle = (ranks.len() + 1) as f64 / 2.0;
    ranks.iter().map(|rank| (rank - middle).powi(2)).sum()
}

/// P(Z <= x) of a standard normal variable.
fn normal(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// P(R <= q) of the range of k standard normal variables: k times the integral of phi(z) (Phi(z) - Phi(z - q))^(k - 1).
fn range_within(q: f64, k: usize) -> f64 {
    let integrand = |z: f64| {
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        density * (normal(z) - normal(z - q)).powi(k as i32 - 1)
    };
    // The trapezoidal rule is exact to rounding for a smooth function that has faded at both ends.
    let (from, to, steps) = (-9.0, 9.0 + q, 800);
    let width = (to - from) / f64::from(steps);
    let sum: f64 = (0..=steps).map(|step| integrand(from + width * f64::from(step))).sum();
    k as f64 * width * sum
}

/// The range that k standard normal variables stay within with that probability.
fn studentized_range(within: f64, k: usize) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if range_within(middle, k) < within { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_of_normal_variables_has_its_known_quantiles() {
        // Table 5 of Demšar (2006): q at 5 %, divided by the root of 2, for 2 to 10 classifiers.
        let table = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164];
        for (k, expected) in (2..).zip(table) {
            let found = studentized_range(0.95, k) / 2f64.sqrt();
            assert!((found - expected).abs() < 1.1e-3, "{k}: {found}, expected {expected}");
        }
        // Of two, the difference is normal with a variance of 2.
        assert!((range_within(1.3, 2) - (2.0 * normal(1.3 / 2f64.sqrt()) - 1.0)).abs() < 1e-13);
    }

    #[test]
    fn ranks_begin_at_the_largest_and_equal_scores_share_theirs() {
        let found = MeanRanks::of(&[vec![0.9, 0.5, 0.5, 0.1], vec![0.1, 0.2, 0.3, 0.4]], 0).unwrap();
        assert_eq!(found.ranks, [2.5, 2.75, 2.25, 2.5]);
        assert_eq!(found.blocks, 2);
        assert!(found.p > 0.9, "{}", found.p);
        // sqrt(k (k + 1) / 6 n) with q / sqrt 2 = 2.569.
        assert!((found.critical_difference - 2.569 * (20.0f64 / 12.0).sqrt()).abs() < 2e-3);
    }

    /// All orders of both blocks instead of some that are drawn.
    #[test]
    fn the_test_is_that_of_all_orders() {
        let scores = vec![vec![3.0, 2.0, 1.0], vec![3.0, 1.0, 2.0], vec![2.0, 3.0, 1.0]];
        let orders: [[f64; 3]; 6] =
            [[1., 2., 3.], [1., 3., 2.], [2., 1., 3.], [2., 3., 1.], [3., 1., 2.], [3., 2., 1.]];
        let found = MeanRanks::of(&scores, 1).unwrap();
        let (mut as_far, mut all) = (0_u16, 0_u16);
        for first in orders {
            for second in orders {
                for third in orders {
                    let blocks = [first, second, third].map(Vec::from);
                    all += 1;
                    as_far += u16::from(spread(&means(&blocks)) >= spread(&found.ranks) - 1e-12);
                }
            }
        }
        let expected = f64::from(as_far) / f64::from(all);
        assert!((found.p - expected).abs() < 0.02, "{} against {expected}", found.p);
        let constant = vec![vec![3.0, 2.0, 1.0, 0.0]; 6];
        assert!(MeanRanks::of(&constant, 1).unwrap().p < 1e-3);
    }

    #[test]
    fn one_block_or_treatment_or_what_is_no_number_has_no_ranks() {
        assert!(MeanRanks::of(&[vec![1.0, 2.0]], 0).is_err());
        assert!(MeanRanks::of(&[vec![1.0], vec![2.0]], 0).is_err());
        assert!(MeanRanks::of(&[vec![1.0, 2.0], vec![f64::NAN, 1.0]], 0).is_err());
        assert!(MeanRanks::of(&[], 0).is_err());
    }
}
