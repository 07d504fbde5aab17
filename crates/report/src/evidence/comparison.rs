//! Arms compared: how accurate each is, and what its schedule gains over the constant learning rate on the same seeds.
//!
//! Seeds are paired: the same seed means the same images, labels, order and first weights in both arms. The mean paired
//! difference uses the pairs; the probability of improvement is the field's, over all pairs of runs of the two arms, restricted
//! to the seeds that both have, and for its interval these seeds are redrawn jointly.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::aggregate::{
    last_quarter, mean, slope, weighted_interquartile_mean, weighted_mean, weighted_probability_of_improvement,
};
use trainability_stats::bootstrap::{Bootstrap, BootstrapOptions};
use trainability_stats::estimate::{Estimate, Undefined};
use trainability_stats::gaps::all_defined;
use trainability_stats::paired_tests::{holm_defined, paired_t, sign_flip};

use crate::series::{Arm, CONTROL, Series};

/// What an arm achieved. The n of every estimate counts seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ArmSummary {
    /// Method and schedule.
    pub arm: Arm,
    /// Finished seeds.
    pub seeds: usize,
    /// Mean online accuracy over all tasks.
    pub mean_accuracy: Result<Estimate, Undefined>,
    /// Mean online accuracy over the last quarter of the tasks, rounded up.
    pub last_quarter_accuracy: Result<Estimate, Undefined>,
    /// Online accuracy of the last task.
    pub last_task_accuracy: Result<Estimate, Undefined>,
    /// Mean over all tasks of the accuracy on images that nobody trained on, over the seeds that have it at every task.
    pub mean_test_accuracy: Result<Estimate, Undefined>,
    /// Least-squares change of online accuracy a task.
    pub slope: Result<Estimate, Undefined>,
    /// Interquartile mean over seeds of the mean online accuracy over all tasks.
    pub interquartile_mean: Result<Estimate, Undefined>,
    /// Probability that the arm's mean online accuracy exceeds that of its method under the constant schedule.
    pub probability_of_improvement: Result<Estimate, Undefined>,
    /// Mean over seeds of the difference in mean online accuracy to the same seed under the constant schedule.
    pub difference_to_constant: Result<Estimate, Undefined>,
    /// Student's paired t test of this difference, two-sided.
    pub p_paired_t: Result<f64, Undefined>,
    /// The same, corrected by Holm for all arms that are tested.
    pub p_paired_t_holm: Result<f64, Undefined>,
    /// Sign-flip permutation test of the difference; below six seeds it cannot reach 0.05.
    pub p_sign_flip: Result<f64, Undefined>,
    /// Diverged seeds, which the numbers above leave out.
    pub diverged: usize,
}

/// One line an arm, in the order of arms, from its finished runs and the number of its runs that diverged. An arm that only
/// diverged has its line too. Runs with an undefined accuracy somewhere do not count as finished.
pub(crate) fn compare_arms(
    finished: &[Series],
    diverged: &BTreeMap<Arm, usize>,
    options: BootstrapOptions,
) -> Vec<ArmSummary> {
    let mut seeds_of: BTreeMap<&Arm, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for run in finished {
        let seeds = seeds_of.entry(&run.arm).or_default();
        if let Some(accuracy) = all_defined(run.online_accuracy()).filter(|accuracy| !accuracy.is_empty()) {
            seeds.insert(run.seed, accuracy);
        }
    }
    let arms: BTreeSet<&Arm> = seeds_of.keys().copied().chain(diverged.keys()).collect();
    let none = BTreeMap::new();
    let summarise = |arm: &Arm| {
        let control = Arm { method: arm.method.clone(), schedule: CONTROL.to_owned() };
        let runs = seeds_of.get(arm).unwrap_or(&none);
        let control_runs = seeds_of.get(&control).unwrap_or(&none);
        let pairs = if *arm == control { Err(Undefined::IsControl) } else { paired(runs, control_runs) };
        let diverged = diverged.get(arm).copied().unwrap_or(0);
        let of_arm = finished.iter().filter(|run| run.arm == *arm && runs.contains_key(&run.seed));
        let tested: Vec<f64> = of_arm.filter_map(|run| mean(&all_defined(run.column(TEST))?).ok()).collect();
        summary(arm, runs, pairs, estimate_mean(&tested, options), diverged, options)
    };
    let mut summaries: Vec<ArmSummary> = arms.into_iter().map(summarise).collect();
    let p_values: Vec<_> = summaries.iter().map(|summary| summary.p_paired_t).collect();
    for (summary, adjusted) in summaries.iter_mut().zip(holm_defined(&p_values)) {
        summary.p_paired_t_holm = adjusted;
    }
    summaries
}

/// The column of accuracy on images that nobody trained on, which runs of some streams and of earlier versions lack.
const TEST: &str = "test_accuracy";

/// The mean online accuracies of the seeds that both arms have.
type ArmPairs = (Vec<f64>, Vec<f64>);

fn paired(arm: &BTreeMap<u64, Vec<f64>>, control: &BTreeMap<u64, Vec<f64>>) -> Result<ArmPairs, Undefined> {
    let both = arm.iter().filter_map(|(seed, ours)| Some((ours, control.get(seed)?)));
    let means: Result<Vec<(f64, f64)>, Undefined> =
        both.map(|(ours, theirs)| Ok((mean(ours)?, mean(theirs)?))).collect();
    let pairs: ArmPairs = means?.into_iter().unzip();
    if pairs.0.is_empty() { Err(Undefined::NoPairedSeed) } else { Ok(pairs) }
}

fn summary(
    arm: &Arm,
    runs: &BTreeMap<u64, Vec<f64>>,
    pairs: Result<ArmPairs, Undefined>,
    mean_test_accuracy: Result<Estimate, Undefined>,
    diverged: usize,
    options: BootstrapOptions,
) -> ArmSummary {
    let over_seeds = |statistic: fn(&[f64]) -> Result<f64, Undefined>| {
        let values: Result<Vec<f64>, Undefined> = runs.values().map(|accuracy| statistic(accuracy)).collect();
        estimate_mean(&values?, options)
    };
    let (probability_of_improvement, difference_to_constant, p_paired_t, p_sign_flip) = match &pairs {
        Ok((ours, theirs)) => {
            let differences: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours - theirs).collect();
            let difference = estimate_mean(&differences, options);
            (improvement(ours, theirs, options), difference, paired_t(&differences), sign_flip(&differences))
        }
        Err(reason) => (Err(*reason), Err(*reason), Err(*reason), Err(*reason)),
    };
    ArmSummary {
        arm: arm.clone(),
        seeds: runs.len(),
        mean_accuracy: over_seeds(mean),
        last_quarter_accuracy: over_seeds(|accuracy| mean(last_quarter(accuracy))),
        last_task_accuracy: over_seeds(|accuracy| accuracy.last().copied().ok_or(Undefined::NoValues)),
        mean_test_accuracy,
        slope: over_seeds(slope),
        interquartile_mean: interquartile(runs, options),
        probability_of_improvement,
        difference_to_constant,
        p_paired_t,
        p_paired_t_holm: p_paired_t,
        p_sign_flip,
        diverged,
    }
}

/// The mean of a value a seed, with its interval over seeds.
fn estimate_mean(values: &[f64], options: BootstrapOptions) -> Result<Estimate, Undefined> {
    let point = mean(values)?;
    let interval = Bootstrap::unstratified(values.len(), options).interval(|weights| weighted_mean(values, weights));
    Ok(Estimate::new(point, interval, values.len()))
}

fn interquartile(runs: &BTreeMap<u64, Vec<f64>>, options: BootstrapOptions) -> Result<Estimate, Undefined> {
    let means: Vec<f64> = runs.values().map(|accuracy| mean(accuracy)).collect::<Result<_, _>>()?;
    let point = weighted_interquartile_mean(&means, &vec![1.0; means.len()])?;
    let bootstrap = Bootstrap::unstratified(means.len(), options);
    let interval = bootstrap.interval(|weights| weighted_interquartile_mean(&means, weights));
    Ok(Estimate::new(point, interval, means.len()))
}

fn improvement(ours: &[f64], theirs: &[f64], options: BootstrapOptions) -> Result<Estimate, Undefined> {
    let statistic = |weights: &[f64]| weighted_probability_of_improvement(ours, weights, theirs, weights);
    let point = statistic(&vec![1.0; ours.len()])?;
    let interval = Bootstrap::unstratified(ours.len(), options).interval(statistic);
    Ok(Estimate::new(point, interval, ours.len()))
}
