//! All task pairs of one indicator at one horizon: its value at a task of a run, and what came of the run afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::aggregate::mean;
use super::correlation::FEWEST_PAIRS;
use super::estimate::{Share, Undefined};
use super::gaps::defined;

/// The future of a run as seen from one of its tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Online accuracy at the target.
    pub accuracy: f64,
    /// Whether trainability is lost there.
    pub event: bool,
}

/// What is remembered of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct PooledRun {
    /// Its place in a list of the caller's.
    pub place: usize,
    /// The number of its arm.
    pub arm: usize,
    /// The number of its family of methods.
    pub family: usize,
    /// Its seed.
    pub seed: u64,
}

/// The task pairs of all runs, one run after the other. Runs without any pair are not among its runs.
#[derive(Clone, Debug, Default)]
pub struct Pooled {
    /// The indicator at the earlier task.
    pub values: Vec<f64>,
    /// Online accuracy at the target.
    pub accuracies: Vec<f64>,
    /// Whether the target is a loss-of-trainability event.
    pub events: Vec<bool>,
    /// The run of each pair, counted from 0 over the runs with a pair.
    pub run_of: Vec<usize>,
    /// The task at which each pair's indicator is read.
    pub tasks: Vec<usize>,
    /// The arm of each run.
    pub arms: Vec<usize>,
    /// The family of methods of each run.
    pub families: Vec<usize>,
    /// The place of each run among the scored runs.
    pub places: Vec<usize>,
    /// Pairs that have an outcome but no indicator, among all that have an outcome.
    pub undefined: Share,
    /// The seed of each run.
    pub seeds: Vec<u64>,
    pairs_of_run: Vec<Range<usize>>,
}

impl Pooled {
    /// Adds the pairs of a run: the indicator's column, and the outcome seen from each task, if there is one.
    pub fn add_run(&mut self, run: PooledRun, column: &[Option<f64>], outcomes: &[Option<Outcome>]) {
        let start = self.values.len();
        for (task, outcome) in outcomes.iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            self.undefined.whole += 1;
            match column.get(task).copied().and_then(defined) {
                Some(value) => self.push(value, task, *outcome),
                None => self.undefined.part += 1,
            }
        }
        if self.values.len() > start {
            self.pairs_of_run.push(start..self.values.len());
            self.arms.push(run.arm);
            self.families.push(run.family);
            self.places.push(run.place);
            self.seeds.push(run.seed);
        }
    }

    fn push(&mut self, value: f64, task: usize, outcome: Outcome) {
        self.values.push(value);
        self.run_of.push(self.arms.len());
        self.tasks.push(task);
        self.accuracies.push(outcome.accuracy);
        self.events.push(outcome.event);
    }

    /// Task pairs.
    pub fn pairs(&self) -> usize {
        self.values.len()
    }

    /// Runs with at least one pair.
    pub fn runs(&self) -> usize {
        self.arms.len()
    }

    /// Different seeds among these runs.
    pub fn different_seeds(&self) -> usize {
        self.seeds.iter().collect::<BTreeSet<_>>().len()
    }

    /// Task pairs whose target is an event.
    pub fn event_count(&self) -> usize {
        self.events.iter().filter(|event| **event).count()
    }

    /// Another value of each pair, by the place of its run and the task, NaN where undefined.
    pub fn beside(&self, value: impl Fn(usize, usize) -> Option<f64>) -> Vec<f64> {
        let places = self.run_of.iter().map(|run| self.places[*run]);
        places.zip(&self.tasks).map(|(place, task)| value(place, *task).unwrap_or(f64::NAN)).collect()
    }

    /// Whether these are the same tasks of the same runs, with the same events, whatever the indicator.
    pub(crate) fn same_pairs(&self, other: &Self) -> bool {
        let runs = self.places == other.places && self.arms == other.arms;
        let runs = runs && self.families == other.families && self.seeds == other.seeds;
        runs && self.run_of == other.run_of && self.tasks == other.tasks && self.events == other.events
    }

    /// The same pairs with the values of something else.
    ///
    /// # Panics
    /// When there are not as many as pairs.
    pub(crate) fn with_values(&self, values: Vec<f64>) -> Self {
        assert_eq!(self.pairs(), values.len(), "every pair has its value");
        Self { values, ..self.clone() }
    }

    /// Gives each pair the weight of its run.
    pub fn spread(&self, run_weights: &[f64], pair_weights: &mut [f64]) {
        for (pairs, weight) in self.pairs_of_run.iter().zip(run_weights) {
            pair_weights[pairs.clone()].fill(*weight);
        }
    }

    /// A correlation of indicator and outcome within each run, of at least three pairs.
    pub fn within_runs(
        &self,
        correlation: impl Fn(&[f64], &[f64]) -> Result<f64, Undefined>,
    ) -> Vec<Result<f64, Undefined>> {
        let of_run = |pairs: &Range<usize>| match pairs.len() {
            have if have < FEWEST_PAIRS => Err(Undefined::TooFew { have, need: FEWEST_PAIRS }),
            _ => correlation(&self.values[pairs.clone()], &self.accuracies[pairs.clone()]),
        };
        self.pairs_of_run.iter().map(of_run).collect()
    }

    /// Sign consistency: in how many of the arms the mean correlation within runs has the sign of the pooled one. Arms in which
    /// no run has a correlation are not counted.
    ///
    /// # Errors
    /// [`Undefined::NoSign`] when the pooled correlation is zero, and its own reason or that of the runs when there is none.
    pub fn sign_consistency(
        &self,
        within_runs: &[Result<f64, Undefined>],
        pooled: Result<f64, Undefined>,
    ) -> Result<Share, Undefined> {
        let pooled = pooled?;
        // Sums in another order leave a zero in its last bits.
        if pooled.abs() < 1e-12 {
            return Err(Undefined::NoSign);
        }
        let mut of_arm: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (arm, within) in self.arms.iter().zip(within_runs) {
            of_arm.entry(*arm).or_default().extend(*within);
        }
        let means: Vec<f64> = of_arm.values().filter_map(|within| mean(within).ok()).collect();
        if means.is_empty() {
            return Err(within_runs.iter().find_map(|within| within.err()).unwrap_or(Undefined::NoValues));
        }
        let agreeing = means.iter().filter(|mean| **mean * pooled > 0.0).count();
        Ok(Share { part: agreeing, whole: means.len() })
    }
}
