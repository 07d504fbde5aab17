//! What an indicator is asked to foretell: the online accuracy of the tasks to come, and whether trainability is lost there.
//!
//! A run at task k is paired with its tasks k+1 .. k+h, h the horizon. **Loss of trainability** is an online accuracy below
//! 0.9 times the reference: the accuracy of the `reset` arm (a fresh network at every task) with the same seed on the same
//! tasks, or, where there is no such run, the accuracy of the run's own first task.

use std::collections::{BTreeMap, BTreeSet};

use trainability_stats::gaps::{defined, defined_mean};
use trainability_stats::pooled::Outcome;

use crate::series::{Arm, Series};

/// Which of the tasks k+1 .. k+h the outcome at horizon h is taken from. At horizon 1 both are the next task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Target {
    /// The mean over all of them, compared with the mean of the reference over the same tasks.
    #[default]
    WindowMean,
    /// The last of them alone.
    #[allow(dead_code, reason = "the other reading of the definition, which tests hold against this one")]
    Endpoint,
}

impl Target {
    /// `window_mean` or `endpoint`, as in the CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WindowMean => "window_mean",
            Self::Endpoint => "endpoint",
        }
    }
}

/// What the loss of trainability is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The `reset` arm's accuracy with the same seed on the same tasks.
    Reset,
    /// The accuracy of the run's own first task.
    FirstTask,
    /// Some runs have a matching `reset` run, others do not.
    Mixed,
}

impl Reference {
    /// `reset`, `first_task` or `mixed`, as in the CSV.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::FirstTask => "first_task",
            Self::Mixed => "mixed",
        }
    }

    /// The reference of two sets of runs together.
    pub(crate) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }
}

/// The options in the definition of the event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventOptions {
    /// The share of the reference's accuracy whose loss is an event.
    pub loss: f64,
    /// Which future tasks count.
    pub target: Target,
    /// The arm that serves as reference; no run of its method is scored.
    pub reset: Arm,
    /// Arms with a reference of their own in place of that arm, or with none; these references are not scored either.
    pub references: BTreeMap<Arm, Option<Arm>>,
    /// The family of methods of each arm, near copies being one; that of an arm without an entry is its method.
    pub families: BTreeMap<Arm, String>,
}

impl EventOptions {
    /// The arm whose accuracy an arm is measured against.
    fn reference(&self, arm: &Arm) -> Option<&Arm> {
        self.references.get(arm).map_or(Some(&self.reset), Option::as_ref)
    }

    /// Whether runs of the arm are references, and not scored.
    fn is_reference(&self, arm: &Arm) -> bool {
        arm.method == self.reset.method || self.references.values().flatten().any(|reference| reference == arm)
    }
}

impl Default for EventOptions {
    fn default() -> Self {
        let reset = Arm { method: "reset".to_owned(), schedule: "constant".to_owned() };
        Self { loss: 0.1, target: Target::default(), reset, references: BTreeMap::new(), families: BTreeMap::new() }
    }
}

/// A run that is scored, with its reference and the number of its arm.
#[derive(Clone, Debug)]
pub(crate) struct ScoredRun<'a> {
    /// The run.
    pub series: &'a Series,
    /// The place of its arm among all scored arms.
    pub arm: usize,
    /// The number of its family of methods.
    pub family: usize,
    /// What its losses are measured against.
    pub reference: Reference,
    reference_accuracy: Vec<Option<f64>>,
}

/// The runs to be scored, in the order of arm and seed, each with its reference.
pub(crate) fn scored_runs<'a>(runs: &'a [Series], options: &EventOptions) -> Vec<ScoredRun<'a>> {
    let resets: BTreeMap<(&Arm, u64), &Series> = runs.iter().map(|run| ((&run.arm, run.seed), run)).collect();
    let mut sorted: Vec<&Series> = runs.iter().filter(|run| !options.is_reference(&run.arm)).collect();
    sorted.sort_by(|left, right| (&left.arm, left.seed).cmp(&(&right.arm, right.seed)));
    let mut arms: Vec<&Arm> = sorted.iter().map(|run| &run.arm).collect();
    arms.dedup();
    let family_of = |arm: &Arm| options.families.get(arm).unwrap_or(&arm.method).clone();
    let families: BTreeSet<String> = arms.iter().map(|arm| family_of(arm)).collect();
    let scored = |series: &'a Series| {
        let reset = options.reference(&series.arm).and_then(|arm| resets.get(&(arm, series.seed)).copied());
        let (reference, reference_accuracy) = reference_of(series, reset);
        let arm = arms.partition_point(|arm| **arm < series.arm);
        let family = families.iter().position(|family| *family == family_of(&series.arm)).unwrap_or(0);
        ScoredRun { series, arm, family, reference, reference_accuracy }
    };
    sorted.into_iter().map(scored).collect()
}

/// The reset run's accuracy if it covers all tasks of the run, otherwise that of the run's own first task.
fn reference_of(run: &Series, reset: Option<&Series>) -> (Reference, Vec<Option<f64>>) {
    let tasks = run.online_accuracy().len();
    let covering = reset.and_then(|reset| reset.online_accuracy().get(..tasks));
    match covering {
        Some(accuracy) if accuracy.iter().copied().all(|value| defined(value).is_some()) => {
            (Reference::Reset, accuracy.to_vec())
        }
        _ => (Reference::FirstTask, vec![run.online_accuracy().first().copied().flatten(); tasks]),
    }
}

impl ScoredRun<'_> {
    /// The first task (counted from 0) at which trainability is lost, whatever the horizon; tasks without accuracy are passed over.
    pub(crate) fn first_loss(&self, options: &EventOptions) -> Option<usize> {
        let mut tasks = self.series.online_accuracy().iter().zip(&self.reference_accuracy);
        tasks.position(|(reached, expected)| match (defined(*reached), defined(*expected)) {
            (Some(reached), Some(expected)) => reached < (1.0 - options.loss) * expected,
            _ => false,
        })
    }

    /// The outcome seen from each task, `None` where a task of the future, or its accuracy, is missing.
    pub(crate) fn outcomes(&self, horizon: usize, options: &EventOptions) -> Vec<Option<Outcome>> {
        let first = match options.target {
            Target::WindowMean => 1,
            Target::Endpoint => horizon,
        };
        let accuracy = self.series.online_accuracy();
        let outcome = |task: usize| {
            let future = task + first..task + horizon + 1;
            let reached = defined_mean(accuracy.get(future.clone())?)?;
            let expected = defined_mean(self.reference_accuracy.get(future)?)?;
            Some(Outcome { accuracy: reached, event: reached < (1.0 - options.loss) * expected })
        };
        (0..accuracy.len()).map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(method: &str, seed: u64, accuracy: &[f64]) -> Series {
        let column = accuracy.iter().map(|&value| Some(value).filter(|value| !value.is_nan())).collect();
        let arm = Arm { method: method.to_owned(), schedule: "constant".to_owned() };
        Series { arm, seed, columns: BTreeMap::from([("online_accuracy".to_owned(), column)]).into() }
    }

    fn events(run: &ScoredRun<'_>, horizon: usize, target: Target) -> Vec<Option<bool>> {
        let options = EventOptions { target, ..EventOptions::default() };
        run.outcomes(horizon, &options).iter().map(|outcome| outcome.map(|outcome| outcome.event)).collect()
    }

    #[test]
    fn the_reset_run_of_the_seed_is_the_reference() {
        let runs =
            [run("reset", 1, &[0.8, 0.5, 0.8]), run("relu", 1, &[0.9, 0.46, 0.71]), run("relu", 2, &[0.9, 0.82, 0.7])];
        let scored = scored_runs(&runs, &EventOptions::default());
        assert_eq!([scored[0].reference, scored[1].reference], [Reference::Reset, Reference::FirstTask]);
        assert_eq!(events(&scored[0], 1, Target::WindowMean), [Some(false), Some(true), None]);
        assert_eq!(events(&scored[1], 1, Target::WindowMean), [Some(false), Some(true), None]);
        assert_eq!(events(&scored[0], 2, Target::Endpoint), [Some(true), None, None]);
        assert_eq!(events(&scored[1], 2, Target::WindowMean), [Some(true), None, None]);
        assert_eq!(scored[1].reference.and(scored[0].reference), Reference::Mixed);
        let first_loss = |run: &ScoredRun<'_>| run.first_loss(&EventOptions::default());
        assert_eq!([first_loss(&scored[0]), first_loss(&scored[1])], [Some(2), Some(2)]);
    }

    #[test]
    fn an_arm_may_have_a_reference_of_its_own_or_none() {
        let runs = [
            run("reset", 1, &[0.8, 0.8]),
            run("reset@epochs=9", 1, &[0.4, 0.4]),
            run("relu", 1, &[0.9, 0.75]),
            run("relu@epochs=9", 1, &[0.5, 0.38]),
            run("crelu", 1, &[0.9, 0.8]),
        ];
        let own = (runs[3].arm.clone(), Some(runs[1].arm.clone()));
        let references = BTreeMap::from([own, (runs[4].arm.clone(), None)]);
        let options = EventOptions { references, ..EventOptions::default() };
        let scored = scored_runs(&runs, &options);
        assert_eq!(scored.len(), 3, "no reference is scored");
        let found: Vec<_> =
            scored.iter().map(|run| (run.reference, run.outcomes(1, &options)[0].unwrap().event)).collect();
        assert_eq!(found, [(Reference::FirstTask, true), (Reference::Reset, false), (Reference::Reset, false)]);
    }

    #[test]
    fn a_reset_run_that_stopped_early_is_no_reference() {
        let runs = [run("reset", 1, &[0.8, 0.5]), run("relu", 1, &[0.9, 0.46, 0.71])];
        assert_eq!(scored_runs(&runs, &EventOptions::default())[0].reference, Reference::FirstTask);
    }

    #[test]
    fn undefined_accuracy_leaves_the_pair_out() {
        let runs = [run("relu", 1, &[0.9, f64::NAN, 0.71, 0.9])];
        let scored = scored_runs(&runs, &EventOptions::default());
        assert_eq!(events(&scored[0], 1, Target::WindowMean), [None, Some(true), Some(false), None]);
        assert_eq!(events(&scored[0], 2, Target::WindowMean), [None, Some(true), None, None]);
    }
}
