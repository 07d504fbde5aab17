//! A value of a paper beside that of an arm: how far they are apart, and whether that is more than seeds are.

use std::ops::RangeInclusive;

use serde_json::Value;
use trainability_record::LayerEvents;
use trainability_record::controls::LayerSeries;
use trainability_stats::aggregate::mean;
use trainability_stats::gaps::defined;
use trainability_stats::jackknife::mean_over_seeds;
use trainability_stats::{Estimate, Interval, Undefined};

use crate::evidence::against::matching::MatchedArm;
use crate::evidence::against::paper::{Over, Reported, ReportedAt};
use crate::results::RecordedRun;
use crate::setting::option;

/// The part of a task's measured updates that are its begin, or its end.
const END_OF_TASK: f64 = 0.02;
/// Seeds below which nothing is said of their spread: Student's t is 12.7 for two, and everything lies within.
const FEWEST_SEEDS: usize = 3;

/// A value of the paper, and what an arm has in its place.
#[derive(Clone, Debug)]
pub(crate) struct SideBySide {
    /// The number of the report.
    pub report: usize,
    /// When the value is taken.
    pub moment: ReportedAt,
    /// The paper's value.
    pub paper: f64,
    /// The arm that the report is about; none where there is no such arm.
    pub arm: Option<MatchedArm>,
    /// Whether the runs are those that have not finished; they have no interval, and nothing is said of them.
    pub unfinished: bool,
    /// The mean over seeds.
    pub ours: Result<Estimate, Missing>,
    /// The distance from ours within which the mean over as many further seeds as the paper's would lie in 95 % of cases.
    pub spread: Result<f64, Undefined>,
    /// What that makes of the difference.
    pub standing: Standing,
}

/// Why there is no value of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no such arm.
    NotRun,
    /// The runs end before, or have not come so far: tasks done, and planned if that is known.
    NotReached {
        /// Tasks done.
        done: usize,
        /// Tasks of the whole run.
        planned: Option<usize>,
    },
    /// `--filter` left these tasks out.
    LeftOut,
    /// The runs have no such column or layer.
    NotRecorded,
    /// They have, but no value.
    Undefined,
}

/// Where a paper's value lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Within the spread and the error of reading.
    Within,
    /// Beyond them.
    Outside,
    /// One seed has no spread, and that of two tells nothing.
    TooFewSeeds,
    /// Runs that have not finished say nothing yet.
    Unfinished,
    /// There is nothing to compare.
    Missing(Missing),
}

impl SideBySide {
    /// Ours less the paper's.
    pub(crate) fn difference(&self) -> Option<f64> {
        self.ours.as_ref().ok().map(|ours| ours.point() - self.paper)
    }

    /// The value of a report at a moment, of an arm with these runs, which have all finished or all not. `seeds` are the paper's.
    pub(super) fn of(
        (number, report): (usize, &Reported),
        (moment, paper): (ReportedAt, f64),
        (arm, runs, unfinished): (&MatchedArm, &[&RecordedRun], bool),
        seeds: usize,
        first_task: usize,
    ) -> SideBySide {
        let found: Vec<Result<f64, Missing>> = runs.iter().map(|run| value(report, moment, run, first_task)).collect();
        let values: Vec<f64> = found.iter().filter_map(|value| value.as_ref().ok().copied()).collect();
        // Of several reasons, that of the run which came farthest.
        let reason = || {
            let far = |missing: &Missing| match missing {
                Missing::NotReached { done, .. } => *done,
                _ => usize::MAX,
            };
            found.iter().filter_map(|value| value.as_ref().err()).max_by_key(|missing| far(missing)).cloned()
        };
        let range = if is_share(&report.quantity) { Interval::SHARE } else { Interval::ALL };
        let ours = mean_over_seeds(range, &values).map_err(|_| reason().unwrap_or(Missing::NotRun));
        let ours = ours.map(|mean| match unfinished {
            true => Estimate::new(mean.point(), Err(Undefined::NoValues), mean.n()),
            false => mean,
        });
        let spread = spread(&values, seeds);
        let standing = match (&ours, unfinished, spread) {
            (Err(missing), ..) => Standing::Missing(missing.clone()),
            (_, true, _) => Standing::Unfinished,
            (_, _, Err(_)) => Standing::TooFewSeeds,
            // What is as far as it may be differs from that in its last bits.
            (Ok(ours), _, Ok(spread)) if (ours.point() - paper).abs() <= spread + report.reading_error + 1e-12 => {
                Standing::Within
            }
            _ => Standing::Outside,
        };
        SideBySide { report: number, moment, paper, arm: Some(arm.clone()), unfinished, ours, spread, standing }
    }

    /// The value of a report that no arm is about.
    pub(super) fn not_run(report: usize, (moment, paper): (ReportedAt, f64)) -> SideBySide {
        SideBySide {
            report,
            moment,
            paper,
            arm: None,
            unfinished: false,
            ours: Err(Missing::NotRun),
            spread: Err(Undefined::NoValues),
            standing: Standing::Missing(Missing::NotRun),
        }
    }
}

/// Whether a quantity is a share of something.
fn is_share(quantity: &str) -> bool {
    ["online_accuracy", "final_accuracy", "test_accuracy", "rho"].contains(&quantity)
}

/// The half-width of the interval that holds the mean over `further` seeds in 95 % of cases, from the values of n: Student's t
/// with n - 1 degrees times the standard deviation times the root of 1/n + 1/further. Seeds that all agree have none.
fn spread(values: &[f64], further: usize) -> Result<f64, Undefined> {
    if values.len() < FEWEST_SEEDS {
        return Err(Undefined::TooFew { have: values.len(), need: FEWEST_SEEDS });
    }
    let half = match mean_over_seeds(Interval::ALL, values)?.interval() {
        Ok(interval) => (interval.high - interval.low) / 2.0,
        Err(Undefined::NoSpread) => 0.0,
        Err(reason) => return Err(reason),
    };
    // The interval of the mean has the root of 1/n.
    Ok(half * (1.0 + values.len() as f64 / further as f64).sqrt())
}

/// What a run has at a moment.
fn value(report: &Reported, moment: ReportedAt, run: &RecordedRun, first_task: usize) -> Result<f64, Missing> {
    let done = first_task + run.tasks();
    let planned = option(run, "stream.tasks").and_then(Value::as_u64).map(|planned| planned as usize);
    let reached = |from: usize, to: usize| match () {
        _ if from <= first_task => Err(Missing::LeftOut),
        _ if to > done && run.record.as_ref().is_some_and(|record| record.tasks >= to) => Err(Missing::LeftOut),
        _ if to > done => Err(Missing::NotReached { done, planned }),
        _ => Ok(()),
    };
    let trace = |layer: &Option<String>| run.trace(layer.as_deref()?);
    match moment {
        ReportedAt::Task(task) => {
            let column = run.series.columns.get(&report.quantity);
            reached(task, task)?;
            let column = column.ok_or(Missing::NotRecorded)?;
            defined(column.get(task - 1 - first_task).copied().flatten()).ok_or(Missing::Undefined)
        }
        ReportedAt::Updates(over, first, last) => {
            reached(first, last)?;
            let trace = trace(&report.layer).ok_or(Missing::NotRecorded)?;
            of_updates(over, trace, column(trace, &report.quantity)?, first - 1..=last - 1).ok_or(Missing::Undefined)
        }
        ReportedAt::Event(_) if first_task > 0 => Err(Missing::LeftOut),
        ReportedAt::Event(event) => {
            let Some(trace) = trace(&report.layer) else {
                return Err(if done == 0 { Missing::NotReached { done, planned } } else { Missing::NotRecorded });
            };
            let value = column(trace, &report.quantity)?.get(event - 1);
            value.copied().ok_or(Missing::NotReached { done, planned }).and_then(finite)
        }
        // Counts go on until the end.
        ReportedAt::Run if run.unfinished() => Err(Missing::NotReached { done, planned }),
        ReportedAt::Run => {
            let events = run.record.as_ref().map_or(&[][..], |record| &record.events);
            let layer = events.iter().find(|layer| Some(&layer.layer) == report.layer.as_ref());
            let count = |layer: &LayerEvents| match report.quantity.as_str() {
                "warmed" => layer.warmed,
                _ => layer.cooled,
            };
            layer.map(|layer| count(layer) as f64).ok_or(Missing::NotRecorded)
        }
    }
}

/// The values of a quantity at each measured update of a layer.
fn column<'t>(trace: &'t LayerSeries, quantity: &str) -> Result<&'t [f64], Missing> {
    match quantity {
        "learning_rate" => Ok(&trace.learning_rates),
        _ => trace.columns.get(quantity).map(Vec::as_slice).ok_or(Missing::NotRecorded),
    }
}

fn finite(value: f64) -> Result<f64, Missing> {
    if value.is_finite() { Ok(value) } else { Err(Missing::Undefined) }
}

/// What the measured updates of some tasks, counted from 0, come to.
fn of_updates(over: Over, trace: &LayerSeries, column: &[f64], tasks: RangeInclusive<usize>) -> Option<f64> {
    let of = |tasks: RangeInclusive<usize>| -> Vec<f64> {
        trace.tasks.iter().zip(column).filter(|(task, _)| tasks.contains(task)).map(|(_, value)| *value).collect()
    };
    let defined = |values: &[f64]| -> Vec<f64> { values.iter().copied().filter(|value| value.is_finite()).collect() };
    let few = |values: &[f64]| ((values.len() as f64 * END_OF_TASK).ceil() as usize).min(values.len());
    match over {
        Over::Begin => {
            let first = of(*tasks.start()..=*tasks.start());
            median(defined(&first[..few(&first)]))
        }
        Over::End => {
            let last = of(*tasks.end()..=*tasks.end());
            median(defined(&last[last.len() - few(&last)..]))
        }
        Over::Lowest => defined(&of(tasks)).into_iter().reduce(f64::min),
        Over::Highest => defined(&of(tasks)).into_iter().reduce(f64::max),
        Over::Mean => mean(&defined(&of(tasks))).ok(),
    }
}

/// The middle value, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some(0.5 * (values[middle - 1] + values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(tasks: &[usize], values: &[f64]) -> LayerSeries {
        LayerSeries {
            layer: "fc1".to_owned(),
            tasks: tasks.to_vec(),
            updates: (1..=tasks.len() as u64).collect(),
            learning_rates: values.to_vec(),
            columns: Default::default(),
        }
    }

    #[test]
    fn the_spread_is_that_of_a_further_mean() {
        // scipy.stats.t.ppf(.975, 2) * numpy.std([.1, .2, .4], ddof=1) * (1/3 + 1/3) ** .5
        assert!((spread(&[0.1, 0.2, 0.4], 3).unwrap() - 0.5366350789).abs() < 1e-9);
        // Many further seeds: the interval of the mean itself; a single one: wider than it.
        let mean = mean_over_seeds(Interval::ALL, &[0.1, 0.2, 0.4]).unwrap().interval().unwrap();
        assert!((spread(&[0.1, 0.2, 0.4], 1_000_000).unwrap() - (mean.high - mean.low) / 2.0).abs() < 1e-6);
        assert_eq!(spread(&[0.3, 0.3, 0.3], 3), Ok(0.0), "seeds that agree");
        assert!([&[][..], &[0.3], &[0.3, 0.4]].iter().all(|few| spread(few, 3).is_err()));
    }

    #[test]
    fn begin_and_end_are_a_fiftieth_of_their_task() {
        let tasks: Vec<usize> = (0..3).flat_map(|task| vec![task; 100]).collect();
        let values: Vec<f64> = (0..300).map(f64::from).collect();
        let trace = trace(&tasks, &values);
        let of = |over, first: usize, last: usize| of_updates(over, &trace, &values, first..=last);
        assert_eq!(of(Over::Begin, 1, 1), Some(100.5));
        assert_eq!(of(Over::End, 1, 1), Some(198.5));
        assert_eq!([Over::Begin, Over::End].map(|over| of(over, 0, 2)), [Some(0.5), Some(298.5)]);
        assert_eq!([Over::Lowest, Over::Highest].map(|over| of(over, 1, 2)), [Some(100.0), Some(299.0)]);
        assert_eq!(of(Over::Mean, 0, 0), Some(49.5));
        assert_eq!(of(Over::End, 7, 7), None, "a task without measured updates");
    }

    #[test]
    fn what_is_not_a_number_has_no_part_in_it() {
        let values = [f64::NAN, 2.0, f64::INFINITY, 3.0];
        let trace = trace(&[0; 4], &values);
        assert_eq!(of_updates(Over::Mean, &trace, &values, 0..=0), Some(2.5));
        assert_eq!(of_updates(Over::Begin, &trace, &values, 0..=0), None, "the first of four is undefined");
    }
}
