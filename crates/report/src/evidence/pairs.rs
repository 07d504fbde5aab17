//! The task pairs of one indicator, out of scored runs.

use trainability_stats::Undefined;
use trainability_stats::auroc::Direction;
use trainability_stats::lead::{Before, Leads};
use trainability_stats::pooled::{Outcome, Pooled, PooledRun};

use crate::evidence::outcomes::{EventOptions, ScoredRun};

/// Pairs the indicator's column of each run with the outcomes of that run.
pub(crate) fn pairs_of(indicator: &str, runs: &[ScoredRun<'_>], outcomes: &[Vec<Option<Outcome>>]) -> Pooled {
    let mut pooled = Pooled::default();
    for (place, (run, outcomes)) in runs.iter().zip(outcomes).enumerate() {
        pooled.add_run(
            PooledRun { place, arm: run.arm, family: run.family, seed: run.series.seed },
            run.series.column(indicator),
            outcomes,
        );
    }
    pooled
}

/// The values of another column at the tasks of the pairs, NaN where undefined.
pub(crate) fn beside(pooled: &Pooled, column: &str, runs: &[ScoredRun<'_>]) -> Vec<f64> {
    // Looked up by name once a run, and not at every pair.
    let columns: Vec<&[Option<f64>]> = runs.iter().map(|run| run.series.column(column)).collect();
    pooled.beside(|place, task| columns[place].get(task).copied().flatten())
}

/// What the indicator could warn of: each pooled run's first loss of trainability, and its values before.
///
/// # Errors
/// [`Undefined::NothingToWarnOf`] when no run loses trainability after a value of the indicator.
pub(crate) fn leads(
    indicator: &str,
    pooled: &Pooled,
    runs: &[ScoredRun<'_>],
    options: &EventOptions,
    direction: Direction,
) -> Result<Leads, Undefined> {
    let of_run = |place: &usize| {
        let run = &runs[*place];
        Before::new(run.series.column(indicator), run.first_loss(options)?, direction)
    };
    Leads::new(pooled.places.iter().map(of_run).collect())
}
