//! What a reader must know before believing the tables, a sentence each.

use std::collections::BTreeMap;

use trainability_stats::gaps::defined;

use crate::series::{Arm, Series};
use crate::wording::among;

/// Seeds of an arm below which intervals over seeds deserve a warning.
pub(crate) const FEWEST_SEEDS: usize = 5;

/// Arms of fewer than five seeds, a sentence for each number of seeds.
pub(crate) fn few_seeds(runs: &[Series]) -> Vec<String> {
    let mut arms_with: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let arms = by_arm(runs);
    for (arm, seeds) in &arms {
        if seeds.len() < FEWEST_SEEDS {
            arms_with.entry(seeds.len()).or_default().push(arm.to_string());
        }
    }
    let sentence = |(seeds, few): (usize, Vec<String>)| {
        let few = if few.len() == arms.len() { "every arm".to_owned() } else { among(&few) };
        if seeds == 1 {
            return format!("1 seed: there is no interval over seeds for {few}.");
        }
        // The interval is at most the range of the seeds, which misses the median when all lie on one side of it.
        let covered = 100.0 * (1.0 - 0.5_f64.powi(seeds as i32 - 1));
        format!(
            "{seeds} seeds, fewer than {FEWEST_SEEDS}: the intervals of {few} span at most the range of its seeds, and cover about \
             {covered:.0} % instead of 95 %."
        )
    };
    arms_with.into_iter().map(sentence).collect()
}

/// Groups of arms whose recorded numbers, all columns of all tasks, are the same to the last bit on every seed they share: their
/// difference is no result.
pub(crate) fn identical_arms(runs: &[Series]) -> Vec<String> {
    let mut groups: Vec<Vec<(&Arm, BySeed<'_>)>> = Vec::new();
    for (arm, seeds) in by_arm(runs) {
        match groups.iter_mut().find(|group| identical(&group[0].1, &seeds)) {
            Some(group) => group.push((arm, seeds)),
            None => groups.push(vec![(arm, seeds)]),
        }
    }
    let sentence = |group: &Vec<(&Arm, BySeed<'_>)>| {
        let names: Vec<String> = group.iter().map(|(arm, _)| arm.to_string()).collect();
        let names = if names.len() == 2 { names.join(" and ") } else { among(&names) };
        format!("{names} have the same numbers in every column on all seeds they share: they are the same run.")
    };
    groups.iter().filter(|group| group.len() > 1).map(sentence).collect()
}

/// How often an indicator is undefined, if ever.
pub(crate) fn undefined_indicator(runs: &[Series], indicator: &str) -> Option<String> {
    let tasks: usize = runs.iter().map(|run| run.online_accuracy().len()).sum();
    let present = values(runs, indicator).count();
    let missing = tasks.saturating_sub(present);
    if missing == tasks && tasks > 0 {
        return Some(format!("{indicator} is undefined at all {tasks} tasks: it is not measured with these options."));
    }
    let share = 100.0 * missing as f64 / tasks as f64;
    (missing > 0).then(|| format!("{indicator} is undefined at {missing} of {tasks} tasks ({share:.1} %)."))
}

/// An indicator that never changes, over all runs and tasks.
pub(crate) fn constant_indicator(runs: &[Series], indicator: &str) -> Option<String> {
    let mut values = values(runs, indicator);
    let first = values.next()?;
    let mut further = values.peekable();
    further.peek()?;
    let constant = further.all(|value| value == first);
    constant.then(|| format!("{indicator} is {first} at every task of every run: it can foretell nothing."))
}

/// An arm's runs by seed.
type BySeed<'a> = BTreeMap<u64, &'a Series>;

fn by_arm(runs: &[Series]) -> BTreeMap<&Arm, BySeed<'_>> {
    let mut arms: BTreeMap<&Arm, BySeed<'_>> = BTreeMap::new();
    for run in runs {
        arms.entry(&run.arm).or_default().insert(run.seed, run);
    }
    arms
}

fn identical(left: &BySeed<'_>, right: &BySeed<'_>) -> bool {
    let mut shared = left.iter().filter_map(|(seed, run)| Some((*run, *right.get(seed)?))).peekable();
    let bits = |column: &[Option<f64>]| column.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
    let same = |(left, right): (&Series, &Series)| {
        let names = left.columns.keys().eq(right.columns.keys());
        names && left.columns.iter().all(|(name, column)| bits(column) == bits(right.column(name)))
    };
    shared.peek().is_some() && shared.all(|pair| !pair.0.online_accuracy().is_empty() && same(pair))
}

fn values<'a>(runs: &'a [Series], indicator: &'a str) -> impl Iterator<Item = f64> + 'a {
    let of_run = |run: &'a Series| {
        let tasks = run.online_accuracy().len();
        run.column(indicator).iter().take(tasks).copied().filter_map(defined)
    };
    runs.iter().flat_map(of_run)
}
