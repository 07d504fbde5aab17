//! What a schedule gains over another on the seeds that both have.
//!
//! Seeds are paired: the same seed means the same images, labels, order and first weights on both sides. The mean paired
//! difference uses the pairs; the probability of improvement is the field's, over all pairs of runs of the two sides, restricted
//! to the seeds that both have, and for its interval a seed is left out of both sides.

use std::collections::BTreeMap;

use trainability_stats::aggregate::{mean, weighted_probability_of_improvement};
use trainability_stats::estimate::{Estimate, Interval, Undefined};
use trainability_stats::jackknife::{RunsBySeed, mean_over_seeds};
use trainability_stats::paired_tests::{holm_defined, paired_t, sign_flip};

use crate::series::{Arm, Series};

/// The scores of runs, which are their mean online accuracies, by seed.
pub(crate) type SeedScores = BTreeMap<u64, f64>;

/// The scores of every arm. Runs with an undefined accuracy somewhere have none.
pub(crate) fn scores_by_arm(runs: &[Series]) -> BTreeMap<&Arm, SeedScores> {
    let mut scores: BTreeMap<&Arm, SeedScores> = BTreeMap::new();
    for run in runs {
        if let Some(score) = run.score() {
            scores.entry(&run.arm).or_default().insert(run.seed, score);
        }
    }
    scores
}

/// What is gained. The n of the estimates counts seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gain {
    /// Mean over seeds of the difference in score to the same seed on the other side; over several methods, of their mean.
    pub difference: Result<Estimate, Undefined>,
    /// Probability that a run scores higher than one on the other side; over several methods, their mean.
    pub improvement: Result<Estimate, Undefined>,
    /// Student's paired t test of the difference over seeds, two-sided.
    pub p_paired_t: Result<f64, Undefined>,
    /// The same, corrected by Holm for all that are tested together; see [`correct`].
    pub p_paired_t_holm: Result<f64, Undefined>,
    /// Sign-flip permutation test of the difference; below six seeds it cannot reach 0.05.
    pub p_sign_flip: Result<f64, Undefined>,
}

impl Gain {
    /// The gain of an arm over another of the same method.
    pub(crate) fn between(scores: &BTreeMap<&Arm, SeedScores>, arm: &Arm, other: &Arm) -> Self {
        let both: Vec<_> = scores.get(arm).zip(scores.get(other)).into_iter().collect();
        Self::over(&both)
    }

    /// The gain over methods, each with its scores on either side, on the seeds that all share.
    pub(crate) fn over(methods: &[(&SeedScores, &SeedScores)]) -> Self {
        let shared =
            |seed: &&u64| methods.iter().all(|(ours, theirs)| [ours, theirs].iter().all(|s| s.contains_key(seed)));
        let seeds: Vec<&u64> = methods.iter().take(1).flat_map(|(ours, _)| ours.keys()).filter(shared).collect();
        if seeds.is_empty() {
            return Self::undefined(Undefined::NoPairedSeed);
        }
        let row = |scores: &SeedScores| -> Vec<f64> { seeds.iter().map(|seed| scores[seed]).collect() };
        let rows: Vec<_> = methods.iter().map(|(ours, theirs)| (row(ours), row(theirs))).collect();
        let difference = |seed: usize| -> f64 {
            rows.iter().map(|(ours, theirs)| ours[seed] - theirs[seed]).sum::<f64>() / rows.len() as f64
        };
        let differences: Vec<f64> = (0..seeds.len()).map(difference).collect();
        let improvement = |weights: &[f64]| {
            let of_method = |(ours, theirs): &(Vec<f64>, Vec<f64>)| {
                weighted_probability_of_improvement(ours, weights, theirs, weights)
            };
            mean(&rows.iter().map(of_method).collect::<Result<Vec<f64>, _>>()?)
        };
        Self {
            difference: mean_over_seeds(Interval::DIFFERENCE, &differences),
            improvement: RunsBySeed::one_arm(seeds.len()).estimate(Interval::SHARE, improvement),
            p_paired_t: paired_t(&differences),
            p_paired_t_holm: paired_t(&differences),
            p_sign_flip: sign_flip(&differences),
        }
    }

    /// No gain, and why.
    pub(crate) fn undefined(reason: Undefined) -> Self {
        Self {
            difference: Err(reason),
            improvement: Err(reason),
            p_paired_t: Err(reason),
            p_paired_t_holm: Err(reason),
            p_sign_flip: Err(reason),
        }
    }
}

/// Corrects the paired t tests of gains that are tested together.
pub(crate) fn correct<'g>(gains: impl Iterator<Item = &'g mut Gain>) {
    let gains: Vec<&mut Gain> = gains.collect();
    let p_values: Vec<_> = gains.iter().map(|gain| gain.p_paired_t).collect();
    for (gain, adjusted) in gains.into_iter().zip(holm_defined(&p_values)) {
        gain.p_paired_t_holm = adjusted;
    }
}
