//! Methods side by side at the control schedule: how each ranks, and what it costs.

use trainability_stats::friedman::MeanRanks;

use crate::evidence::gain::scores_by_arm;
use crate::results::RecordedRun;
use crate::series::{Arm, Series};

/// Methods by mean rank, the best first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MethodRanks {
    /// The schedule that they were run with.
    pub schedule: String,
    /// Seeds that all of them have: each ranks the methods once.
    pub seeds: usize,
    /// A method and its mean rank, 1 being the best.
    pub methods: Vec<(String, f64)>,
    /// Friedman's test that no method differs from another.
    pub p: f64,
    /// Two methods further apart than this differ (Nemenyi's test at 5 % over all pairs).
    pub critical_difference: f64,
}

/// The least number of methods that are worth a ranking.
const FEWEST: usize = 3;
/// Of the test's shuffles.
const SEED: u64 = 0;

impl MethodRanks {
    /// Of these methods' finished runs under one schedule, by their mean online accuracy, on the seeds that all share. Methods with a
    /// single seed, which are still being run or have diverged, are left out. None of fewer than three methods or two seeds.
    pub(crate) fn of(finished: &[Series], methods: &[&String], schedule: &str) -> Option<MethodRanks> {
        let scores = scores_by_arm(finished);
        let of = |method: &str| scores.get(&Arm { method: method.to_owned(), schedule: schedule.to_owned() });
        let mut ranked: Vec<(&str, _)> =
            methods.iter().filter_map(|method| Some((method.as_str(), of(method)?))).collect();
        ranked.retain(|(_, seeds)| seeds.len() > 1);
        let shared = |seed: &&u64| ranked.iter().all(|(_, seeds)| seeds.contains_key(seed));
        let seeds: Vec<&u64> = ranked.first()?.1.keys().filter(shared).collect();
        let blocks: Vec<Vec<f64>> =
            seeds.iter().map(|seed| ranked.iter().map(|(_, scores)| scores[seed]).collect()).collect();
        let MeanRanks { blocks, ranks, p, critical_difference } =
            MeanRanks::of(&blocks, SEED).ok().filter(|_| ranked.len() >= FEWEST)?;
        let mut methods: Vec<(String, f64)> =
            ranked.iter().zip(ranks).map(|((method, _), rank)| ((*method).to_owned(), rank)).collect();
        methods.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
        Some(MethodRanks { schedule: schedule.to_owned(), seeds: blocks, methods, p, critical_difference })
    }

    /// The mean rank of a method.
    pub(crate) fn rank(&self, method: &str) -> Option<f64> {
        self.methods.iter().find(|(known, _)| known == method).map(|(_, rank)| *rank)
    }

    /// How many methods cannot be told from the best.
    pub(crate) fn beside_best(&self) -> usize {
        let best = self.methods.first().map_or(f64::NAN, |(_, rank)| *rank);
        self.methods.iter().filter(|(_, rank)| rank - best <= self.critical_difference).count()
    }
}

/// Milliseconds of an update without measurements: the least over runs, as whatever disturbs a run makes it longer; none where no record
/// tells.
pub(crate) fn milliseconds_an_update(runs: &[&RecordedRun]) -> Option<f64> {
    let of_run = |run: &&RecordedRun| {
        let record = run.record.as_ref().filter(|record| record.updates > 0)?;
        let part = |name: &str| record.seconds.get(name).copied().unwrap_or_default();
        // What an update does whether it is measured or not.
        let seconds: f64 = ["data", "forward_backward", "penalty", "optimizer", "surgery"].map(part).iter().sum();
        (seconds > 0.0).then(|| 1e3 * seconds / record.updates as f64)
    };
    runs.iter().filter_map(of_run).min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn runs(method: &str, scores: &[f64]) -> Vec<Series> {
        let run = |(seed, score): (usize, &f64)| Series {
            arm: Arm { method: method.to_owned(), schedule: "constant".to_owned() },
            seed: seed as u64,
            columns: BTreeMap::from([("online_accuracy".to_owned(), vec![Some(*score); 2])]).into(),
        };
        scores.iter().enumerate().map(run).collect()
    }

    #[test]
    fn methods_rank_on_the_seeds_that_all_share() {
        let names = ["relu", "crelu", "l2_adam", "begun"].map(str::to_owned);
        let all: Vec<&String> = names.iter().collect();
        let finished = [
            runs("relu", &[0.3, 0.2, 0.9]),
            runs("crelu", &[0.8, 0.7]),
            runs("l2_adam", &[0.5, 0.1, 0.9]),
            // Of one seed nothing is said.
            runs("begun", &[1.0]),
        ]
        .concat();
        let found = MethodRanks::of(&finished, &all, "constant").unwrap();
        assert_eq!(found.seeds, 2);
        let expected = [("crelu", 1.0), ("l2_adam", 2.5), ("relu", 2.5)].map(|(name, rank)| (name.to_owned(), rank));
        assert_eq!(found.methods, expected);
        assert_eq!((found.rank("relu"), found.rank("begun")), (Some(2.5), None));
        assert_eq!(found.beside_best(), 3);
        assert_eq!(MethodRanks::of(&finished, &all[..2], "constant"), None);
        assert_eq!(MethodRanks::of(&finished, &all, "as_run"), None);
    }
}
