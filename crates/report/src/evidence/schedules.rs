//! Schedules compared over methods: what each achieves on all methods that every schedule was run with.
//!
//! A single arm has three to five runs; a schedule has as many times the number of methods, which is what the interquartile mean and
//! the performance profile are made for (R. Agarwal et al., *Deep RL at the Edge of the Statistical Precipice*, 2021). Their
//! intervals redraw seeds within each method. Differences are paired, and their seeds redrawn for all methods at once.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::aggregate::{
    mean, performance_profile, weighted_interquartile_mean, weighted_mean, weighted_probability_of_improvement,
};
use trainability_stats::bootstrap::{Bootstrap, BootstrapOptions};
use trainability_stats::estimate::{Estimate, Interval, Undefined};
use trainability_stats::gaps::all_defined;
use trainability_stats::paired_tests::{holm_defined, paired_t, sign_flip};

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
    /// Interquartile mean of the scores; seeds redrawn within each method.
    pub interquartile_mean: Result<Estimate, Undefined>,
    /// Mean over seeds of the mean over methods of the difference to the constant schedule. Its n counts seeds.
    pub difference_to_constant: Result<Estimate, Undefined>,
    /// Mean over methods of the probability of improvement on the constant schedule. Its n counts seeds.
    pub probability_of_improvement: Result<Estimate, Undefined>,
    /// Student's paired t test of the difference over seeds.
    pub p_paired_t: Result<f64, Undefined>,
    /// The same, corrected by Holm for the number of schedules.
    pub p_paired_t_holm: Result<f64, Undefined>,
    /// Exact sign-flip permutation test of the same.
    pub p_sign_flip: Result<f64, Undefined>,
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

/// The scores of one schedule: method, then seed.
type Scores<'a> = BTreeMap<&'a str, BTreeMap<u64, f64>>;

/// One summary a schedule, in alphabetical order; none unless at least one method was run with every schedule. Methods in `excluded`
/// (the `reset` ceiling) are no part of it. Runs with an undefined accuracy do not count.
pub(crate) fn compare_schedules(
    finished: &[Series],
    excluded: &[&str],
    options: BootstrapOptions,
) -> Vec<ScheduleSummary> {
    let mut by_schedule: BTreeMap<&str, Scores<'_>> = BTreeMap::new();
    for run in finished.iter().filter(|run| !excluded.contains(&run.arm.method.as_str())) {
        let accuracy = all_defined(run.online_accuracy());
        if let Some(score) = accuracy.and_then(|accuracy| mean(&accuracy).ok()) {
            let scores = by_schedule.entry(run.arm.schedule.as_str()).or_default();
            scores.entry(run.arm.method.as_str()).or_default().insert(run.seed, score);
        }
    }
    let shared = by_schedule.values().map(|scores| scores.keys().copied().collect::<BTreeSet<&str>>());
    let Some(methods) = shared.reduce(|left, right| &left & &right).filter(|methods| !methods.is_empty()) else {
        return Vec::new();
    };
    by_schedule.values_mut().for_each(|scores| scores.retain(|method, _| methods.contains(method)));
    let control = by_schedule.get(CONTROL);
    let mut summaries: Vec<ScheduleSummary> =
        by_schedule.iter().map(|(schedule, scores)| summary(schedule, scores, control, options)).collect();
    let p_values: Vec<_> = summaries.iter().map(|summary| summary.p_paired_t).collect();
    for (summary, adjusted) in summaries.iter_mut().zip(holm_defined(&p_values)) {
        summary.p_paired_t_holm = adjusted;
    }
    summaries
}

fn summary(
    schedule: &str,
    scores: &Scores<'_>,
    control: Option<&Scores<'_>>,
    options: BootstrapOptions,
) -> ScheduleSummary {
    let strata = scores.values().enumerate().flat_map(|(place, seeds)| vec![place; seeds.len()]);
    let bootstrap = Bootstrap::new(&strata.collect::<Vec<usize>>(), options);
    let all: Vec<f64> = scores.values().flat_map(|seeds| seeds.values().copied()).collect();
    let ones = vec![1.0; all.len()];
    let interquartile_mean = weighted_interquartile_mean(&all, &ones).map(|point| {
        let interval = bootstrap.interval(|weights| weighted_interquartile_mean(&all, weights));
        Estimate::new(point, interval, all.len())
    });
    let point = |step: usize| {
        let tau = step as f64 / PROFILE_STEPS as f64;
        let interval = bootstrap.interval(|weights| performance_profile(&all, weights, tau));
        Some(ProfilePoint { tau, share: performance_profile(&all, &ones, tau).ok()?, interval })
    };
    let pairs = match control {
        _ if schedule == CONTROL => Err(Undefined::IsControl),
        Some(control) => SchedulePairs::new(scores, control),
        None => Err(Undefined::NoPairedSeed),
    };
    let differences = pairs.as_ref().map(SchedulePairs::differences).map_err(|reason| *reason);
    let over_seeds = |test: fn(&[f64]) -> Result<f64, Undefined>| differences.as_deref().map_err(|r| *r).and_then(test);
    ScheduleSummary {
        schedule: schedule.to_owned(),
        methods: scores.keys().map(|method| (*method).to_owned()).collect(),
        runs: all.len(),
        interquartile_mean,
        difference_to_constant: pairs.as_ref().map_err(|r| *r).and_then(|pairs| pairs.difference(options)),
        probability_of_improvement: pairs.as_ref().map_err(|r| *r).and_then(|pairs| pairs.improvement(options)),
        p_paired_t: over_seeds(paired_t),
        p_paired_t_holm: Err(Undefined::NoValues),
        p_sign_flip: over_seeds(sign_flip),
        profile: (0..=PROFILE_STEPS).filter_map(point).collect(),
    }
}

/// The scores of the seeds that all methods have under both schedules: a row a method, a column a seed.
struct SchedulePairs {
    seeds: usize,
    ours: Vec<Vec<f64>>,
    theirs: Vec<Vec<f64>>,
}

impl SchedulePairs {
    fn new(ours: &Scores<'_>, theirs: &Scores<'_>) -> Result<Self, Undefined> {
        let seeds_of = |seeds: &BTreeMap<u64, f64>| seeds.keys().copied().collect::<BTreeSet<u64>>();
        let seeds = ours.values().chain(theirs.values()).map(seeds_of).reduce(|left, right| &left & &right);
        let seeds = seeds.filter(|seeds| !seeds.is_empty()).ok_or(Undefined::NoPairedSeed)?;
        let rows = |scores: &Scores<'_>| -> Vec<Vec<f64>> {
            let row = |of: &BTreeMap<u64, f64>| seeds.iter().filter_map(|seed| of.get(seed).copied()).collect();
            scores.values().map(row).collect()
        };
        Ok(Self { seeds: seeds.len(), ours: rows(ours), theirs: rows(theirs) })
    }

    /// The mean difference over methods, a value a seed.
    fn differences(&self) -> Vec<f64> {
        let methods = self.ours.len() as f64;
        let of_seed = |seed: usize| -> f64 {
            self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours[seed] - theirs[seed]).sum::<f64>() / methods
        };
        (0..self.seeds).map(of_seed).collect()
    }

    fn difference(&self, options: BootstrapOptions) -> Result<Estimate, Undefined> {
        let differences = self.differences();
        let interval =
            Bootstrap::unstratified(self.seeds, options).interval(|weights| weighted_mean(&differences, weights));
        Ok(Estimate::new(mean(&differences)?, interval, self.seeds))
    }

    fn improvement(&self, options: BootstrapOptions) -> Result<Estimate, Undefined> {
        let statistic = |weights: &[f64]| {
            let of_method = |(ours, theirs): (&Vec<f64>, &Vec<f64>)| {
                weighted_probability_of_improvement(ours, weights, theirs, weights)
            };
            let each: Result<Vec<f64>, Undefined> = self.ours.iter().zip(&self.theirs).map(of_method).collect();
            mean(&each?)
        };
        let interval = Bootstrap::unstratified(self.seeds, options).interval(statistic);
        Ok(Estimate::new(statistic(&vec![1.0; self.seeds])?, interval, self.seeds))
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
            columns: BTreeMap::from([("online_accuracy".to_owned(), vec![Some(score - 0.05), Some(score + 0.05)])]),
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
        let summaries = compare_schedules(&all, &["reset"], BootstrapOptions::default());
        assert_eq!(summaries.len(), 2);
        let (constant, paper) = (&summaries[0], &summaries[1]);
        assert_eq!((paper.runs, paper.methods.len()), (6, 2));
        // x = np.array([[.1, .7], [.35, .8], [.2, .95]]); y = np.array([[.15, .6], [.3, .85], [.05, .9]])
        // rliable.metrics.aggregate_iqm(x), rliable.metrics.probability_of_improvement(x, y)
        let near = |estimate: Result<Estimate, Undefined>, expected: f64| {
            assert!((estimate.unwrap().point() - expected).abs() < 1e-12, "{estimate:?} is not {expected}");
        };
        near(paper.interquartile_mean, 0.5125);
        near(paper.probability_of_improvement, 0.6111111111111112);
        near(paper.difference_to_constant, (x_mean() - y_mean()) / 6.0);
        assert_eq!(constant.difference_to_constant, Err(Undefined::IsControl));
        assert_eq!(constant.p_paired_t_holm, Err(Undefined::IsControl));
        // One schedule alone is tested, so that Holm has nothing to correct.
        assert_eq!(paper.p_paired_t, paper.p_paired_t_holm);
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
        assert_eq!(compare_schedules(&all, &[], BootstrapOptions::default()), []);
    }
}
