//! Schedules compared over methods: what each achieves on all methods that every schedule was run with.
//!
//! A single arm has three to five runs; a schedule has as many times the number of methods, which is what the interquartile mean and
//! the performance profile are made for (R. Agarwal et al., *Deep RL at the Edge of the Statistical Precipice*, 2021). For
//! their intervals a seed is left out of all methods at once. Differences are paired by seed.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::aggregate::{performance_profile, weighted_interquartile_mean};
use trainability_stats::estimate::{Estimate, Interval, Undefined};
use trainability_stats::jackknife::RunsBySeed;

use crate::evidence::gain::{Gain, SeedScores, correct, scores_by_arm};
use crate::series::{CONTROL, Series};

/// Steps of tau in a performance profile from 0 to 1.
pub(crate) const PROFILE_STEPS: usize = 100;

/// What a schedule achieved over methods. A score is a run's mean online accuracy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScheduleSummary {
    /// The schedule.
    pub schedule: String,
    /// The methods that every schedule was run with.
    pub methods: Vec<String>,
    /// Runs behind the interquartile mean and the profile.
    pub runs: usize,
    /// Interquartile mean of the scores.
    pub interquartile_mean: Result<Estimate, Undefined>,
    /// What is gained over the constant schedule, mean over methods; the test is corrected for the number of schedules.
    pub gain: Gain,
    /// The performance profile: tau, and the share of runs whose score exceeds it.
    pub profile: Vec<ProfilePoint>,
}

/// A point of a performance profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProfilePoint {
    /// The score to exceed.
    pub tau: f64,
    /// The share of runs that do.
    pub share: f64,
    /// Its 95 % interval, at this tau alone.
    pub interval: Result<Interval, Undefined>,
}

/// The scores of one schedule by method.
type Scores<'a> = BTreeMap<&'a str, SeedScores>;

/// One summary a schedule, in alphabetical order; none unless at least one method was run with every schedule. Methods in `excluded`
/// (the `reset` ceiling) are no part of it. Runs with an undefined accuracy do not count.
pub(crate) fn compare_schedules(finished: &[Series], excluded: &[String]) -> Vec<ScheduleSummary> {
    let mut by_schedule: BTreeMap<&str, Scores<'_>> = BTreeMap::new();
    for (arm, scores) in scores_by_arm(finished) {
        if !excluded.contains(&arm.method) {
            by_schedule.entry(&arm.schedule).or_default().insert(&arm.method, scores);
        }
    }
    let shared = by_schedule.values().map(|scores| scores.keys().copied().collect::<BTreeSet<&str>>());
    let Some(methods) = shared.reduce(|left, right| &left & &right).filter(|methods| !methods.is_empty()) else {
        return Vec::new();
    };
    by_schedule.values_mut().for_each(|scores| scores.retain(|method, _| methods.contains(method)));
    let control = by_schedule.get(CONTROL);
    let mut summaries: Vec<ScheduleSummary> =
        by_schedule.iter().map(|(schedule, scores)| summary(schedule, scores, control)).collect();
    correct(summaries.iter_mut().map(|summary| &mut summary.gain));
    summaries
}

fn summary(schedule: &str, scores: &Scores<'_>, control: Option<&Scores<'_>>) -> ScheduleSummary {
    let runs = RunsBySeed::new(&scores.values().flat_map(|seeds| seeds.keys().copied()).collect::<Vec<u64>>());
    let all: Vec<f64> = scores.values().flat_map(|seeds| seeds.values().copied()).collect();
    let point = |step: usize| {
        let tau = step as f64 / PROFILE_STEPS as f64;
        let share = runs.estimate(Interval::SHARE, |weights| performance_profile(&all, weights, tau)).ok()?;
        Some(ProfilePoint { tau, share: share.point(), interval: share.interval() })
    };
    // Both have the same methods, in the same order.
    let pairs: Vec<_> = control.into_iter().flat_map(|control| scores.values().zip(control.values())).collect();
    ScheduleSummary {
        schedule: schedule.to_owned(),
        methods: scores.keys().map(|method| (*method).to_owned()).collect(),
        runs: all.len(),
        interquartile_mean: runs.estimate(Interval::SHARE, |weights| weighted_interquartile_mean(&all, weights)),
        gain: if schedule == CONTROL { Gain::undefined(Undefined::IsControl) } else { Gain::over(&pairs) },
        profile: (0..=PROFILE_STEPS).filter_map(point).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Arm;

    fn runs(schedule: &str, scores: &[(&str, [f64; 3])]) -> Vec<Series> {
        let run = |method: &str, seed: usize, score: f64| Series {
            arm: Arm { method: method.to_owned(), schedule: schedule.to_owned() },
            seed: seed as u64,
            columns: BTreeMap::from([("online_accuracy".to_owned(), vec![Some(score - 0.05), Some(score + 0.05)])])
                .into(),
        };
        let of_method = |(method, scores): &(&str, [f64; 3])| -> Vec<Series> {
            scores.iter().enumerate().map(|(seed, score)| run(method, seed, *score)).collect()
        };
        scores.iter().flat_map(of_method).collect()
    }

    #[test]
    fn equals_rliable_over_two_methods() {
        let mut all = runs("paper", &[("crelu", [0.1, 0.35, 0.2]), ("relu", [0.7, 0.8, 0.95])]);
        all.extend(runs("constant", &[("crelu", [0.15, 0.3, 0.05]), ("relu", [0.6, 0.85, 0.9])]));
        // Only one of the schedules was run with these.
        all.extend(runs("paper", &[("l2_adam", [0.9, 0.9, 0.9])]));
        all.extend(runs("constant", &[("reset", [0.99, 0.99, 0.99])]));
        let summaries = compare_schedules(&all, &["reset".to_owned()]);
        assert_eq!(summaries.len(), 2);
        let (constant, paper) = (&summaries[0], &summaries[1]);
        assert_eq!((paper.runs, paper.methods.len()), (6, 2));
        // x = np.array([[.1, .7], [.35, .8], [.2, .95]]); y = np.array([[.15, .6], [.3, .85], [.05, .9]])
        // rliable.metrics.aggregate_iqm(x), rliable.metrics.probability_of_improvement(x, y)
        let near = |estimate: Result<Estimate, Undefined>, expected: f64| {
            assert!((estimate.unwrap().point() - expected).abs() < 1e-12, "{estimate:?} is not {expected}");
        };
        near(paper.interquartile_mean, 0.5125);
        near(paper.gain.improvement, 0.6111111111111112);
        near(paper.gain.difference, (x_mean() - y_mean()) / 6.0);
        assert_eq!(constant.gain.difference, Err(Undefined::IsControl));
        assert_eq!(constant.gain.p_paired_t_holm, Err(Undefined::IsControl));
        // One schedule alone is tested, so that Holm has nothing to correct.
        assert_eq!(paper.gain.p_paired_t, paper.gain.p_paired_t_holm);
        assert!((paper.profile[50].tau - 0.5).abs() < 1e-12 && (paper.profile[50].share - 0.5).abs() < 1e-12);
        assert_eq!((paper.profile[0].share, paper.profile[100].share), (1.0, 0.0));
    }

    fn x_mean() -> f64 {
        0.1 + 0.35 + 0.2 + 0.7 + 0.8 + 0.95
    }

    fn y_mean() -> f64 {
        0.15 + 0.3 + 0.05 + 0.6 + 0.85 + 0.9
    }

    #[test]
    fn schedules_without_a_common_method_are_not_compared() {
        let mut all = runs("paper", &[("crelu", [0.1, 0.35, 0.2])]);
        all.extend(runs("constant", &[("relu", [0.6, 0.85, 0.9])]));
        assert_eq!(compare_schedules(&all, &[]), []);
    }
}
