//! Arms compared: how accurate each is, and what its schedule gains over the constant learning rate on the same seeds.

use std::collections::BTreeMap;

use rayon::prelude::*;
use trainability_stats::aggregate::{last_quarter, mean, slope, weighted_interquartile_mean};
use trainability_stats::estimate::{Estimate, Interval, Undefined};
use trainability_stats::gaps::all_defined;
use trainability_stats::jackknife::{RunsBySeed, mean_over_seeds};

use crate::evidence::gain::{Gain, correct, scores_by_arm};
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
    /// What is gained over the same method under the constant schedule; the test is corrected for all arms that are tested.
    pub gain: Gain,
    /// Diverged seeds, which the numbers above leave out.
    pub diverged: usize,
}

/// The column of accuracy on images that nobody trained on, which runs of some streams and of earlier versions lack.
const TEST: &str = "test_accuracy";

/// One line an arm, in the order of arms, from its finished runs and the number of its runs that diverged. An arm that only
/// diverged has its line too. Runs with an undefined accuracy somewhere do not count as finished.
pub(crate) fn compare_arms(finished: &[Series], diverged: &BTreeMap<Arm, usize>) -> Vec<ArmSummary> {
    let scores = scores_by_arm(finished);
    let mut arms: BTreeMap<&Arm, BTreeMap<u64, &Series>> = diverged.keys().map(|arm| (arm, BTreeMap::new())).collect();
    for run in finished {
        let of_arm = arms.entry(&run.arm).or_default();
        if run.score().is_some() {
            of_arm.insert(run.seed, run);
        }
    }
    let summarise = |(arm, runs): (&Arm, BTreeMap<u64, &Series>)| {
        let accuracies: Vec<Vec<f64>> = runs.values().filter_map(|run| all_defined(run.online_accuracy())).collect();
        let over_seeds = |range: Interval, statistic: fn(&[f64]) -> Result<f64, Undefined>| {
            let values: Result<Vec<f64>, Undefined> = accuracies.iter().map(|accuracy| statistic(accuracy)).collect();
            mean_over_seeds(range, &values?)
        };
        let share = Interval::SHARE;
        let means: Vec<f64> = runs.values().filter_map(|run| run.score()).collect();
        let tested: Vec<f64> = runs.values().filter_map(|run| mean(&all_defined(run.column(TEST))?).ok()).collect();
        ArmSummary {
            arm: arm.clone(),
            seeds: runs.len(),
            mean_accuracy: mean_over_seeds(share, &means),
            last_quarter_accuracy: over_seeds(share, |accuracy| mean(last_quarter(accuracy))),
            last_task_accuracy: over_seeds(share, |accuracy| accuracy.last().copied().ok_or(Undefined::NoValues)),
            mean_test_accuracy: mean_over_seeds(share, &tested),
            slope: over_seeds(Interval::DIFFERENCE, slope),
            interquartile_mean: RunsBySeed::one_arm(means.len())
                .estimate(share, |weights| weighted_interquartile_mean(&means, weights)),
            gain: match arm.schedule.as_str() {
                CONTROL => Gain::undefined(Undefined::IsControl),
                _ => Gain::between(&scores, arm, &arm.control()),
            },
            diverged: diverged.get(arm).copied().unwrap_or(0),
        }
    };
    let mut summaries: Vec<ArmSummary> = arms.into_par_iter().map(summarise).collect();
    correct(summaries.iter_mut().map(|summary| &mut summary.gain));
    summaries
}
