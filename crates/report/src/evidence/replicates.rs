//! Replicates: the same seed with the last bit of one weight of each layer changed, and so how far rounding alone moves a run.
//!
//! Training is chaotic: another order of summation gives another curve. Replicates are shown, and enter nothing else.

use std::collections::BTreeMap;

use trainability_stats::aggregate::mean;
use trainability_stats::estimate::Undefined;

use crate::results::{RecordedRun, RecordedSweep};
use crate::series::Arm;
use crate::setting::{grid_keys, option, without};

/// The option that numbers replicates; 0 is the run itself.
const KEY: &str = "training.replicate";

/// How far rounding moves the runs of an arm, and how far seeds do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rounding {
    /// The arm, without the number of the replicate.
    pub arm: Arm,
    /// Seeds with replicates.
    pub seeds: usize,
    /// Runs of these seeds, the originals counted in.
    pub runs: usize,
    /// The standard deviation of mean online accuracy among the replicates of a seed, pooled over seeds.
    pub by_rounding: Result<f64, Undefined>,
    /// The same among all seeds of the arm, replicates averaged.
    pub by_seed: Result<f64, Undefined>,
}

/// The number of a run's replicate.
fn number(run: &RecordedRun) -> u64 {
    option(run, KEY).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// Takes the replicates out of a sweep.
pub(crate) fn take(sweep: &mut RecordedSweep) -> Vec<RecordedRun> {
    let (replicates, runs) = std::mem::take(&mut sweep.runs).into_iter().partition(|run| number(run) > 0);
    sweep.runs = runs;
    replicates
}

/// A line an arm that has replicates, in alphabetical order.
pub(crate) fn rounding(sweep: &RecordedSweep, replicates: &[RecordedRun]) -> Vec<Rounding> {
    let keys = grid_keys(sweep.provenance.as_ref());
    let arm =
        |run: &RecordedRun| Arm { method: without(&run.arm.method, &keys, KEY), schedule: run.arm.schedule.clone() };
    let mut scores: BTreeMap<Arm, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for run in sweep.finished().chain(replicates.iter().filter(|run| run.finished())) {
        scores.entry(arm(run)).or_default().entry(run.seed).or_default().extend(run.series.score());
    }
    let of_arm = |(arm, seeds): (Arm, BTreeMap<u64, Vec<f64>>)| {
        let repeated: Vec<&Vec<f64>> = seeds.values().filter(|scores| scores.len() > 1).collect();
        let means: Vec<f64> = seeds.values().filter_map(|scores| mean(scores).ok()).collect();
        (!repeated.is_empty()).then(|| Rounding {
            seeds: repeated.len(),
            runs: repeated.iter().map(|scores| scores.len()).sum(),
            by_rounding: deviation(&repeated),
            by_seed: deviation(&[&means]),
            arm,
        })
    };
    scores.into_iter().filter_map(of_arm).collect()
}

/// The standard deviation within groups, pooled.
fn deviation(groups: &[&Vec<f64>]) -> Result<f64, Undefined> {
    let degrees: usize = groups.iter().map(|group| group.len().saturating_sub(1)).sum();
    if degrees == 0 {
        return Err(Undefined::SingleSeed);
    }
    let squares = |group: &&Vec<f64>| {
        let center = mean(group)?;
        Ok(group.iter().map(|value| (value - center).powi(2)).sum::<f64>())
    };
    let all: f64 = groups.iter().map(squares).sum::<Result<f64, Undefined>>()?;
    Ok((all / degrees as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::sync::Arc;

    use super::*;
    use crate::tests::synthetic::run;

    #[test]
    fn replicates_are_set_apart_and_measured() {
        let with = |replicate: u64, seed: u64, accuracy: f64| {
            let options = json!({ "training": { "replicate": replicate } });
            let mut run = run(&format!("relu@replicate={replicate}"), "constant", seed, options);
            Arc::make_mut(&mut run.series.columns).insert("online_accuracy".to_owned(), vec![Some(accuracy)]);
            run
        };
        let runs =
            vec![with(0, 0, 0.5), with(1, 0, 0.6), with(2, 0, 0.7), with(0, 1, 0.2), with(1, 1, 0.2), with(0, 2, 0.9)];
        let provenance = Some(json!({ "experiment": { "grid": { "training.replicate": [0, 1, 2] } } }));
        let mut sweep = RecordedSweep { provenance, runs, ..RecordedSweep::default() };
        let replicates = take(&mut sweep);
        assert_eq!((sweep.runs.len(), replicates.len()), (3, 3));
        let [found] = &rounding(&sweep, &replicates)[..] else { panic!() };
        assert_eq!((&*found.arm.method, found.seeds, found.runs), ("relu", 2, 5));
        // (0.01 + 0 + 0.01 + 0) / 3, and numpy.std([0.6, 0.2, 0.9], ddof=1)
        assert!((found.by_rounding.unwrap() - (0.02_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((found.by_seed.unwrap() - 0.3511884584284246).abs() < 1e-12);
        assert!(rounding(&sweep, &[]).is_empty(), "no replicates, nothing to say");
    }
}
