//! Tests of paired differences, and the correction for making many of them.
//!
//! What three to five seeds can show is little, and which test is asked decides how little. The exact sign-flip permutation test
//! assumes only that under no effect a difference is as likely to be positive as negative, but its smallest possible p is
//! 2 / 2^n: 0.25 for three seeds, 0.0625 for five, so that below six seeds it can call nothing significant, whatever the data.
//! Student's paired t test has no such floor, at the price of assuming normal differences, and its two degrees of freedom make
//! it demand a mean 2.5 times the differences' standard deviation of three seeds. Both are reported, the first with its floor. Holm's
//! correction is applied to the second, which is the one that can decide.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::distribution::student_t_outside;
use super::estimate::{Undefined, at_least_two};

/// Differences up to which all sign flips are tried; above, as many are drawn.
const MOST_EXACT: usize = 16;

/// Two-sided p of the sign-flip permutation test for the mean of the differences: the share of all 2^n choices of signs whose mean
/// lies at least as far from zero. Above 16 differences, 65,536 drawn choices stand for all of them, the data's own
/// counted with them (B. Phipson and G. K. Smyth, 2010).
///
/// # Errors
/// [`Undefined`] below two differences.
pub fn sign_flip(differences: &[f64]) -> Result<f64, Undefined> {
    let n = differences.len();
    at_least_two(n)?;
    let scale: f64 = differences.iter().map(|difference| difference.abs()).sum();
    // Sums of the same numbers in another order differ in their last bits.
    let observed = differences.iter().sum::<f64>().abs() - 1e-12 * scale;
    let is_extreme = |signs: &[u64]| flipped_sum(differences, signs).abs() >= observed;
    let choices = 1_u64 << n.min(MOST_EXACT);
    if n <= MOST_EXACT {
        let count = (0..choices).filter(|signs| is_extreme(&[*signs])).count();
        return Ok(count as f64 / choices as f64);
    }
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut count = 0;
    let mut signs = vec![0_u64; n.div_ceil(64)];
    for _ in 0..choices {
        generator.fill(&mut signs[..]);
        count += usize::from(is_extreme(&signs));
    }
    Ok((count + 1) as f64 / (choices + 1) as f64)
}

/// The sum of the differences, negative where their bit is set.
fn flipped_sum(differences: &[f64], signs: &[u64]) -> f64 {
    let of_word = |(differences, signs): (&[f64], &u64)| -> f64 {
        differences.iter().enumerate().map(|(i, value)| value * (1.0 - 2.0 * (signs >> i & 1) as f64)).sum()
    };
    differences.chunks(64).zip(signs).map(of_word).sum()
}

/// The smallest p that [`sign_flip`] can give for n differences: all signs and their opposites, or, where choices are drawn,
/// the data's own alone.
pub fn sign_flip_floor(n: usize) -> f64 {
    if n <= MOST_EXACT { 0.5_f64.powi(n as i32 - 1) } else { 1.0 / ((1_u64 << MOST_EXACT) + 1) as f64 }
}

/// Two-sided p of Student's t test for a mean of zero.
///
/// # Errors
/// [`Undefined`] below two differences, or when they are all the same, so that nothing is known about their spread.
pub fn paired_t(differences: &[f64]) -> Result<f64, Undefined> {
    let n = differences.len();
    at_least_two(n)?;
    let mean = differences.iter().sum::<f64>() / n as f64;
    let variance = differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let largest = differences.iter().fold(0.0, |largest, value| value.abs().max(largest));
    if variance.sqrt() <= 1e-12 * largest || variance == 0.0 {
        return Err(Undefined::NoSpread);
    }
    Ok(student_t_outside(mean.abs() / (variance / n as f64).sqrt(), n - 1))
}

/// Holm's adjusted p values (S. Holm, *Scand. J. Stat.* 6, 1979): reject those below the level, and the chance of any false
/// rejection among all of them stays below it.
pub(crate) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (rank, &place) in order.iter().enumerate() {
        highest = highest.max(p_values[place] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[place] = highest;
    }
    adjusted
}

/// [`holm`] over those that are defined; the others stay as they are.
pub fn holm_defined(p_values: &[Result<f64, Undefined>]) -> Vec<Result<f64, Undefined>> {
    let defined: Vec<f64> = p_values.iter().filter_map(|p| p.ok()).collect();
    let mut adjusted = holm(&defined).into_iter();
    p_values.iter().map(|p| p.map(|p| adjusted.next().unwrap_or(p))).collect()
}

/// Benjamini and Hochberg's adjusted p values (*J. R. Stat. Soc. B* 57, 1995): of those called below the level, no more than this share
/// are false on average. One that is undefined counts as 1, and stays undefined.
pub fn benjamini_hochberg(p_values: &[Result<f64, Undefined>]) -> Vec<Result<f64, Undefined>> {
    let value = |place: usize| p_values[place].unwrap_or(1.0);
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| value(*left).total_cmp(&value(*right)));
    let mut adjusted = p_values.to_vec();
    let mut lowest = 1.0_f64;
    for (rank, &place) in order.iter().enumerate().rev() {
        lowest = lowest.min(value(place) * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[place] = p_values[place].map(|_| lowest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE: [f64; 5] = [0.11, 0.12, -0.03, 0.2, 0.05];
    const EIGHT: [f64; 8] = [1.0, 2.0, 3.0, -1.0, 5.0, -2.0, 0.5, 4.0];

    #[test]
    fn equals_scipy() {
        // scipy.stats.ttest_1samp(d, 0).pvalue
        assert!((paired_t(&FIVE).unwrap() - 0.0787402206146067).abs() < 1e-12);
        assert!((paired_t(&[0.11, 0.12, 0.03]).unwrap() - 0.09314586166029748).abs() < 1e-12);
        // scipy.stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=10**5).pvalue
        assert_eq!(sign_flip(&FIVE), Ok(0.125));
        assert_eq!(sign_flip(&EIGHT), Ok(0.1328125));
        assert_eq!(sign_flip(&[0.11, 0.12, 0.03]), Ok(0.25));
    }

    #[test]
    fn holm_equals_statsmodels() {
        // statsmodels.stats.multitest.multipletests([0.01, 0.04, 0.03, 0.005, 0.6], method="holm")[1]
        let found = holm(&[0.01, 0.04, 0.03, 0.005, 0.6]);
        for (found, expected) in found.iter().zip([0.04, 0.09, 0.09, 0.025, 0.6]) {
            assert!((found - expected).abs() < 1e-15, "{found} is not {expected}");
        }
        let some = holm_defined(&[Ok(0.02), Err(Undefined::NoSpread), Ok(0.5)]);
        assert_eq!(some, [Ok(0.04), Err(Undefined::NoSpread), Ok(0.5)]);
    }

    #[test]
    fn benjamini_hochberg_equals_scipy() {
        // scipy.stats.false_discovery_control([0.01, 0.04, 0.03, 0.005, 0.6, 1])
        let p = [0.01, 0.04, 0.03, 0.005, 0.6].map(Ok);
        let found = benjamini_hochberg(&[&p[..], &[Err(Undefined::NoSpread)]].concat());
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.03, 0.72]) {
            assert!((found.unwrap() - expected).abs() < 1e-15, "{found:?} is not {expected}");
        }
        assert_eq!(found[5], Err(Undefined::NoSpread), "it counts, and has no value");
    }

    #[test]
    fn few_seeds_have_a_floor() {
        assert_eq!([3, 5, 6].map(sign_flip_floor), [0.25, 0.0625, 0.03125]);
        assert_eq!(sign_flip(&[1.0; 3]), Ok(0.25));
        // So many equal differences that no drawn choice is as extreme as they are.
        let drawn = sign_flip(&[1.0; 40]).unwrap();
        assert!(drawn >= sign_flip_floor(40) && sign_flip_floor(40) == 1.0 / 65_537.0, "{drawn}");
        assert_eq!(sign_flip(&[0.0; 3]), Ok(1.0));
        assert_eq!(paired_t(&[0.2; 3]), Err(Undefined::NoSpread));
        assert_eq!(paired_t(&[0.0; 3]), Err(Undefined::NoSpread));
        assert_eq!(sign_flip(&[0.1]), Err(Undefined::TooFew { have: 1, need: 2 }));
        assert_eq!(paired_t(&[]), Err(Undefined::NoValues));
    }

    #[test]
    fn differences_beyond_a_word_of_signs_are_flipped_too() {
        let differences: Vec<f64> = (0..20).map(|i| f64::from(i % 7) - 2.0).collect();
        let alone = sign_flip(&differences).unwrap();
        for zeros in [44, 45, 64, 108, 110] {
            let later = [vec![0.0; zeros], differences.clone()].concat();
            assert!((sign_flip(&later).unwrap() - alone).abs() < 0.01, "{zeros}");
        }
    }

    #[test]
    fn drawn_flips_are_close_to_all_flips() {
        // Sixteen differences are flipped exactly, a seventeenth of zero changes nothing but the way of counting.
        let differences: Vec<f64> = (0..16).map(|i| f64::from(i % 5) - 1.4).collect();
        let more: Vec<f64> = differences.iter().copied().chain([0.0]).collect();
        assert!((sign_flip(&differences).unwrap() - sign_flip(&more).unwrap()).abs() < 0.005);
    }

    proptest! {
        #[test]
        fn holm_keeps_the_order_and_never_lowers(p in prop::collection::vec(0.0_f64..1.0, 1..12)) {
            let adjusted = holm(&p);
            for (left, right) in (0..p.len()).flat_map(|i| (0..p.len()).map(move |j| (i, j))) {
                prop_assert!(p[left] > p[right] || adjusted[left] <= adjusted[right]);
            }
            prop_assert!(p.iter().zip(&adjusted).all(|(p, adjusted)| p <= adjusted && *adjusted <= 1.0));
        }

        #[test]
        fn p_values_ignore_sign_and_unit(d in prop::collection::vec(-1.0_f64..1.0, 2..9)) {
            let turned: Vec<f64> = d.iter().map(|value| -8.0 * value).collect();
            prop_assert_eq!(sign_flip(&d), sign_flip(&turned));
            prop_assert!((paired_t(&d).unwrap() - paired_t(&turned).unwrap()).abs() < 1e-12);
            prop_assert!(sign_flip(&d).unwrap() >= sign_flip_floor(d.len()));
        }
    }
}
