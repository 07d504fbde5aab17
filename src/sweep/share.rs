//! Which runs are in which share.

use super::cost::{Kind, Left, kinds};
use super::shard::Shard;
use crate::data::ImageSet;
use crate::run::RunPlan;

/// The runs of a share, in the order of the plan.
pub(super) fn share<'a>(runs: &[&'a RunPlan], set: &ImageSet, shard: Shard) -> Vec<&'a RunPlan> {
    let own = shares(runs, set, shard.count()).into_iter().zip(runs).filter(|(index, _)| *index == shard.index());
    own.map(|(_, run)| *run).collect()
}

/// Which of `count` shares each run is in, from 1.
///
/// Every process finds the same shares from the plan alone, and a run stays in its share whatever has been done already.
/// Shares have equally many runs of each kind, give or take one, so that they take equally long however wrong the
/// estimate of a kind's cost is; the runs that are left over go, the dearest first, to the share with the least to do.
pub(super) fn shares(runs: &[&RunPlan], set: &ImageSet, count: usize) -> Vec<usize> {
    let mut found = vec![1; runs.len()];
    if count == 1 {
        return found;
    }
    let whole: Vec<Left> = runs.iter().map(|&run| Left { run, tasks: 0, updates: 0 }).collect();
    let mut costs = vec![0.0_f64; count];
    let mut kinds = kinds(&whole, set);
    let cost = |kind: &Kind, run: usize| kind.work * runs[run].updates() as f64;
    let dearest = |kind: &Kind| kind.runs.iter().map(|&run| cost(kind, run)).fold(0.0, f64::max);
    kinds.sort_by(|a, b| dearest(b).total_cmp(&dearest(a)));
    for kind in &kinds {
        let mut counts = vec![0_usize; count];
        let mut dear_first: Vec<usize> = kind.runs.clone();
        dear_first.sort_by(|&a, &b| cost(kind, b).total_cmp(&cost(kind, a)));
        for run in dear_first {
            let order = |&a: &usize, &b: &usize| counts[a].cmp(&counts[b]).then(costs[a].total_cmp(&costs[b]));
            let goal = (0..count).min_by(order).unwrap_or_default();
            counts[goal] += 1;
            costs[goal] += cost(kind, run);
            found[run] = goal + 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::testing::runs::{images, plans};

    fn shards_of(changes: &Value, count: usize) -> Vec<Vec<(String, u64)>> {
        let set = images(40, [1, 4, 4], 0);
        let plans = plans(&ImageFacts::of(&set), &[changes]);
        let runs: Vec<&RunPlan> = plans.iter().collect();
        let order: Vec<String> = runs.iter().map(|run| run.name()).collect();
        let shards: Vec<Vec<(String, u64)>> = (1..=count)
            .map(|index| share(&runs, &set, format!("{index}/{count}").parse().unwrap()))
            .map(|share| share.into_iter().map(|run| (run.name(), run.updates())).collect())
            .collect();
        let place = |name: &str| order.iter().position(|other| other == name).unwrap();
        for shard in &shards {
            assert!(shard.is_sorted_by_key(|(name, _)| place(name)), "the order of the plan");
        }
        let all: BTreeSet<&String> = shards.iter().flatten().map(|(name, _)| name).collect();
        assert_eq!((all.len(), shards.iter().map(Vec::len).sum::<usize>()), (runs.len(), runs.len()), "each run once");
        shards
    }

    #[test]
    fn each_run_is_in_one_share_and_shares_are_alike() {
        let changes =
            json!({ "methods": ["relu", "crelu", "wasserstein"], "schedules": ["constant", "paper"], "seeds": 5 });
        for count in [1, 2, 3, 7, 30, 40] {
            let shards = shards_of(&changes, count);
            for method in ["relu/", "crelu/", "wasserstein/"] {
                let of_method =
                    |shard: &Vec<(String, u64)>| shard.iter().filter(|run| run.0.starts_with(method)).count();
                let counts: Vec<usize> = shards.iter().map(of_method).collect();
                assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{method} {counts:?}");
            }
            let totals: Vec<usize> = shards.iter().map(Vec::len).collect();
            assert!(totals.iter().max().unwrap() - totals.iter().min().unwrap() <= 1, "{totals:?}");
        }
    }

    #[test]
    fn runs_of_several_lengths_are_spread() {
        // Four lengths of one kind, one run each and two shares: the longest stands alone as long as it can.
        let shards = shards_of(&json!({ "grid": { "stream.epochs": [1, 2, 3, 10] } }), 2);
        let mut updates: Vec<u64> = shards.iter().map(|shard| shard.iter().map(|run| run.1).sum()).collect();
        updates.sort_unstable();
        // 6 updates an epoch: 10 + 1 and 3 + 2 epochs.
        assert_eq!(updates, [30, 66]);
    }
}
