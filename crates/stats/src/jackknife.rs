//! Intervals and tests over seeds: Student's t on the delete-one jackknife (J. W. Tukey, 1958; B. Efron and C. Stein, 1981).
//!
//! Arms share seeds: the same seed means the same images, labels, order and first weights everywhere. A seed is therefore deleted
//! from all arms at once, and whatever was learnt from the data, such as a direction, is learnt anew without it. Intervals
//! are centred on the full estimate. Where the estimate is a mean over seeds this is Student's paired t test to the last digit.

use super::aggregate::weighted_mean;
use super::distribution::{student_t_outside, student_t_two_sided};
use super::estimate::{Estimate, Interval, Undefined, at_least_two};

/// Seeds below which nothing is decided: the coverage of the interval is unknown there.
pub const FEWEST_SEEDS: usize = 5;

/// The confidence of [`Jackknife::estimate`].
const CONFIDENCE: f64 = 0.95;

/// An estimate over n seeds with its jackknife standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jackknife {
    /// The statistic over all seeds.
    pub point: f64,
    /// Its standard error; [`Undefined::NoSpread`] where all copies agree.
    pub error: Result<f64, Undefined>,
    /// The number of seeds.
    pub seeds: usize,
}

impl Jackknife {
    /// The statistic over all seeds, and the copies of it that leave out one seed each. With s_(i) the copy without seed i, the
    /// squared standard error is (n - 1) / n times the sum of (s_(i) - mean of copies)^2.
    ///
    /// # Errors
    /// [`Undefined`] where the statistic, or a copy, has no value, and below two seeds.
    pub fn of(
        seeds: usize,
        statistic: impl Fn(Option<usize>) -> Result<f64, Undefined>,
    ) -> Result<Jackknife, Undefined> {
        at_least_two(seeds)?;
        let point = statistic(None)?;
        let copies: Vec<f64> = (0..seeds).map(|seed| statistic(Some(seed))).collect::<Result<_, _>>()?;
        let n = seeds as f64;
        let mean = copies.iter().sum::<f64>() / n;
        let error = ((n - 1.0) / n * copies.iter().map(|copy| (copy - mean).powi(2)).sum::<f64>()).sqrt();
        let largest = copies.iter().fold(0.0, |largest: f64, copy| largest.max(copy.abs()));
        // Copies of the same number differ in their last bits.
        let error = if error <= 1e-12 * largest { Err(Undefined::NoSpread) } else { Ok(error) };
        Ok(Jackknife { point, error, seeds })
    }

    /// The estimate with the interval that holds the true value at this confidence, clipped to the statistic's range.
    fn estimate_at(&self, confidence: f64, range: Interval) -> Estimate {
        let interval = self.error.map(|error| {
            let half = error * student_t_two_sided(confidence, self.seeds - 1);
            let clipped = |end: f64| end.clamp(range.low, range.high);
            Interval { low: clipped(self.point - half), high: clipped(self.point + half) }
        });
        Estimate::new(self.point, interval, self.seeds)
    }

    /// The same at 95 %.
    pub fn estimate(&self, range: Interval) -> Estimate {
        self.estimate_at(CONFIDENCE, range)
    }

    /// Two-sided p of the hypothesis that the true value is `null`.
    ///
    /// # Errors
    /// [`Undefined`] where all copies agree, and below [`FEWEST_SEEDS`].
    pub fn p(&self, null: f64) -> Result<f64, Undefined> {
        if self.seeds < FEWEST_SEEDS {
            return Err(Undefined::TooFew { have: self.seeds, need: FEWEST_SEEDS });
        }
        Ok(student_t_outside((self.point - null) / self.error?, self.seeds - 1))
    }

    /// The smallest distance from the null that as many seeds would have found in 80 % of cases, by a two-sided test at this
    /// level and the standard error seen here: (t at 1 - level/2 + t at 0.8) standard errors.
    ///
    /// # Errors
    /// [`Undefined::NoSpread`] where all copies agree.
    pub fn smallest_detectable(&self, level: f64) -> Result<f64, Undefined> {
        Ok(detectable(self.error?, level, self.seeds - 1))
    }

    /// The fewest seeds that would find an effect of this size in 80 % of cases, if the standard error falls with the root of
    /// their number; none below `most`.
    ///
    /// # Errors
    /// [`Undefined::NoSpread`] where all copies agree.
    pub fn seeds_for(&self, effect: f64, level: f64, most: usize) -> Result<Option<usize>, Undefined> {
        let one = self.error? * (self.seeds as f64).sqrt();
        let found = |n: &usize| detectable(one / (*n as f64).sqrt(), level, n - 1) <= effect;
        Ok((FEWEST_SEEDS..=most).find(found))
    }
}

/// Runs by their seeds, for statistics that are given a weight for each run: 1, and 0 where its seed is left out.
#[derive(Clone, Debug)]
pub struct RunsBySeed {
    /// The number of each run's seed, from 0 without gaps.
    seed_of: Vec<usize>,
    seeds: usize,
}

impl RunsBySeed {
    /// Runs with these seeds; the same seed in several arms is one.
    pub fn new(seed_of_run: &[u64]) -> RunsBySeed {
        let mut known = seed_of_run.to_vec();
        known.sort_unstable();
        known.dedup();
        let seed_of = seed_of_run.iter().map(|seed| known.partition_point(|other| other < seed)).collect();
        RunsBySeed { seed_of, seeds: known.len() }
    }

    /// Runs of one arm, or pairs of runs: each with a seed of its own.
    pub fn one_arm(runs: usize) -> RunsBySeed {
        RunsBySeed { seed_of: (0..runs).collect(), seeds: runs }
    }

    /// A statistic over all runs with its interval, clipped to its range.
    ///
    /// # Errors
    /// Why there is no value over all runs.
    pub fn estimate(
        &self,
        range: Interval,
        mut statistic: impl FnMut(&[f64]) -> Result<f64, Undefined>,
    ) -> Result<Estimate, Undefined> {
        let [estimate] = self.estimates([range], |weights| [statistic(weights)]);
        estimate
    }

    /// Several statistics with their intervals, from one pass over the copies.
    pub fn estimates<const STATISTICS: usize>(
        &self,
        ranges: [Interval; STATISTICS],
        mut statistics: impl FnMut(&[f64]) -> [Result<f64, Undefined>; STATISTICS],
    ) -> [Result<Estimate, Undefined>; STATISTICS] {
        let points = statistics(&vec![1.0; self.seed_of.len()]);
        let weights = |left_out: usize| -> Vec<f64> {
            self.seed_of.iter().map(|seed| if *seed == left_out { 0.0 } else { 1.0 }).collect()
        };
        let copies: Vec<[Result<f64, Undefined>; STATISTICS]> = match self.seeds {
            0 | 1 => Vec::new(),
            seeds => (0..seeds).map(|left_out| statistics(&weights(left_out))).collect(),
        };
        std::array::from_fn(|place| {
            let point = points[place]?;
            let interval = if self.seeds < 2 {
                Err(Undefined::SingleSeed)
            } else {
                let copy = |left_out: Option<usize>| left_out.map_or(Ok(point), |seed| copies[seed][place]);
                Jackknife::of(self.seeds, copy).and_then(|found| found.estimate(ranges[place]).interval())
            };
            Ok(Estimate::new(point, interval, self.seed_of.len()))
        })
    }
}

/// The mean of a value a seed, with its interval over seeds, clipped to its range.
///
/// # Errors
/// [`Undefined::NoValues`] of nothing.
pub fn mean_over_seeds(range: Interval, values: &[f64]) -> Result<Estimate, Undefined> {
    RunsBySeed::one_arm(values.len()).estimate(range, |weights| weighted_mean(values, weights))
}

/// The effect that a two-sided test at this level finds in 80 % of cases.
fn detectable(error: f64, level: f64, degrees: usize) -> f64 {
    error * (student_t_two_sided(1.0 - level, degrees) + student_t_two_sided(2.0 * POWER - 1.0, degrees))
}

/// The power of which smallest effects and numbers of seeds speak.
const POWER: f64 = 0.8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::paired_tests::paired_t;

    const ALL: Interval = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
    const FIVE: [f64; 5] = [0.11, 0.12, -0.03, 0.2, 0.05];

    fn mean_of(values: &[f64]) -> Result<Jackknife, Undefined> {
        let over = |left_out: Option<usize>| {
            let kept: Vec<f64> = (0..values.len()).filter(|i| Some(*i) != left_out).map(|i| values[i]).collect();
            Ok(kept.iter().sum::<f64>() / kept.len() as f64)
        };
        Jackknife::of(values.len(), over)
    }

    #[test]
    fn a_mean_has_students_interval_and_p() {
        let mean = mean_of(&FIVE).unwrap();
        // scipy.stats.ttest_1samp(d, 0): pvalue, standard error and confidence_interval(0.95)
        assert!((mean.p(0.0).unwrap() - 0.0787402206146067).abs() < 1e-12);
        assert!((mean.error.unwrap() - 0.03834057902536162).abs() < 1e-15);
        let interval = mean.estimate(ALL).interval().unwrap();
        assert!((interval.low - -0.016450512965414485).abs() < 1e-9, "{interval:?}");
        assert!((interval.high - 0.1964505129654145).abs() < 1e-9, "{interval:?}");
        let wide = mean.estimate_at(0.99, ALL).interval().unwrap();
        assert!((wide.high - 0.26652366325525656).abs() < 1e-9, "{wide:?}");
    }

    /// The jackknife of a ratio by hand: seeds (1, 2), (2, 2), (3, 5).
    #[test]
    fn a_ratio_by_hand() {
        let (top, bottom) = ([1.0, 2.0, 3.0], [2.0, 2.0, 5.0]);
        let ratio = |left_out: Option<usize>| {
            let sum = |values: &[f64]| (0..3).filter(|i| Some(*i) != left_out).map(|i| values[i]).sum::<f64>();
            Ok(sum(&top) / sum(&bottom))
        };
        // Copies 5/7, 4/7 and 3/4.
        let found = Jackknife::of(3, ratio).unwrap();
        let copies = [5.0 / 7.0, 4.0 / 7.0, 0.75];
        let mean: f64 = copies.iter().sum::<f64>() / 3.0;
        let expected = (2.0 / 3.0 * copies.iter().map(|c| (c - mean).powi(2)).sum::<f64>()).sqrt();
        assert_eq!(found.point, 6.0 / 9.0);
        assert!((found.error.unwrap() - expected).abs() < 1e-15);
        assert_eq!(found.p(0.5), Err(Undefined::TooFew { have: 3, need: 5 }), "three seeds decide nothing");
        let clipped = found.estimate(Interval { low: 0.5, high: 0.8 }).interval();
        assert_eq!(clipped, Ok(Interval { low: 0.5, high: 0.8 }));
    }

    #[test]
    fn without_spread_or_seeds_there_is_nothing() {
        let same = mean_of(&[0.1; 6]).unwrap();
        assert_eq!(same.error, Err(Undefined::NoSpread));
        assert_eq!(same.p(0.0), Err(Undefined::NoSpread));
        assert_eq!(same.estimate(ALL).interval(), Err(Undefined::NoSpread));
        assert_eq!(mean_of(&[0.1]).err(), Some(Undefined::TooFew { have: 1, need: 2 }));
        let broken = Jackknife::of(5, |left_out| if left_out == Some(3) { Err(Undefined::NoEvent) } else { Ok(1.0) });
        assert_eq!(broken.err(), Some(Undefined::NoEvent));
    }

    /// statsmodels.stats.power.TTestPower: effect 0.5 standard deviations, 33.4 pairs for a power of 0.8 at 0.05. The sum of two
    /// quantiles of t is a little above that of the noncentral distribution.
    #[test]
    fn what_can_be_found_and_by_how_many() {
        let n = 34;
        // Standard deviation 1 exactly.
        let scale = ((n - 1) as f64 / n as f64).sqrt();
        let values: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { scale } else { -scale }).collect();
        let mean = mean_of(&values).unwrap();
        assert!((mean.error.unwrap() - 1.0 / (n as f64).sqrt()).abs() < 1e-12);
        assert!((mean.smallest_detectable(0.05).unwrap() - 0.5).abs() < 0.01);
        let seeds = mean.seeds_for(0.5, 0.05, 1000).unwrap().unwrap();
        assert!((33..=35).contains(&seeds), "{seeds}");
        // 68.8 at the level that 31 tests leave.
        let corrected = mean.seeds_for(0.5, 0.05 / 31.0, 1000).unwrap().unwrap();
        assert!((68..=72).contains(&corrected), "{corrected}");
        assert_eq!(mean.seeds_for(0.01, 0.05, 1000), Ok(None));
    }

    #[test]
    fn runs_of_a_seed_are_deleted_together() {
        // Two arms of three seeds; the statistic is the ratio of the arms' means, deleted by hand.
        let (seeds, values) = ([7, 8, 9, 7, 8, 9], [1.0, 2.0, 3.0, 2.0, 2.0, 5.0]);
        let ratio = |w: &[f64]| Ok(weighted_mean(&values[..3], &w[..3])? / weighted_mean(&values[3..], &w[3..])?);
        let found = RunsBySeed::new(&seeds).estimate(ALL, ratio).unwrap();
        let (top, bottom) = ([1.0, 2.0, 3.0], [2.0, 2.0, 5.0]);
        let by_hand = Jackknife::of(3, |left_out| {
            let sum = |values: &[f64]| (0..3).filter(|i| Some(*i) != left_out).map(|i| values[i]).sum::<f64>();
            Ok(sum(&top) / sum(&bottom))
        });
        let (ours, theirs) = (found.interval().unwrap(), by_hand.unwrap().estimate(ALL).interval().unwrap());
        assert!((ours.low - theirs.low).abs() < 1e-12 && (ours.high - theirs.high).abs() < 1e-12);
        assert_eq!(found.n(), 6);
        let alone = RunsBySeed::new(&[7, 7]).estimate(ALL, |_| Ok(1.0)).unwrap();
        assert_eq!(alone.interval(), Err(Undefined::SingleSeed), "two arms of one seed");
        let broken =
            RunsBySeed::one_arm(3).estimate(ALL, |w| if w[1] == 0.0 { Err(Undefined::NoEvent) } else { Ok(1.0) });
        assert_eq!(broken.unwrap().interval(), Err(Undefined::NoEvent));
    }

    proptest! {
        #[test]
        fn a_mean_is_students_paired_t(d in prop::collection::vec(-1.0_f64..1.0, 5..30)) {
            let (ours, students) = (mean_of(&d).unwrap().p(0.0).unwrap(), paired_t(&d).unwrap());
            prop_assert!((ours - students).abs() < 1e-9, "{} is not {}", ours, students);
        }
    }
}
