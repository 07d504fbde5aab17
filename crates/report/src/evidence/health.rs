//! Health: how well a run learns a task, as a share of what fresh networks of its own method at its own rate reach.
//!
//! A method that is slow has not lost anything by being slow. Each arm is therefore measured against its own ceiling, never against
//! another method's: the mean online accuracy of the runs that start afresh at every task with the same parts in the same setting,
//! or, where there are none, the mean of its own runs' first tasks.

use std::collections::BTreeMap;

use serde_json::Value;
use trainability_stats::Share;
use trainability_stats::aggregate::mean;
use trainability_stats::gaps::defined_mean;

use crate::results::{RecordedRun, RecordedSweep};
use crate::series::{Arm, CONTROL};
use crate::setting::{grid_keys, is_ceiling, is_ceiling_of, part_names, same_setting};

/// The distance of a ceiling from chance below which there is nothing to lose.
const LEAST_TO_LOSE: f64 = 0.05;

/// The parts that are near copies of each other, and count as one method where methods are the units.
const DECAYS: [&str; 4] = ["l2_adam", "l2_loss", "adamw", "l2_init"];

/// Runs with what they are worth at each task. Predictiveness is judged on those at constant rates, for a schedule reacts to the very
/// statistics that are judged.
pub(crate) struct HealthyArms<'a> {
    /// Each run with its health at each task.
    pub runs: Vec<HealthyRun<'a>>,
    /// What is said of them.
    pub judged: Judged,
}

/// What a reader has to know of the arms that are judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Judged {
    /// Arms that cannot learn in this setting, and are left out.
    pub left_out: Vec<Arm>,
    /// How many arms have a ceiling of fresh runs, of all that are judged.
    pub own_ceilings: Share,
    /// The families' names, in the order of their numbers.
    pub families: Vec<String>,
}

/// A run with what it is worth.
pub(crate) struct HealthyRun<'a> {
    /// The run.
    pub run: &'a RecordedRun,
    /// The number of its family of methods.
    pub family: usize,
    /// The number of its arm.
    pub arm: usize,
    /// (accuracy - chance) / (ceiling - chance) at each task.
    pub health: Vec<Option<f64>>,
    /// The accuracy of fresh networks of its method, or of its arm's first tasks.
    pub ceiling: f64,
}

impl<'a> HealthyArms<'a> {
    /// The finished runs at constant rates that do not start afresh at every task; `chance` is one over the number of classes.
    pub(crate) fn of(sweep: &'a RecordedSweep, chance: f64) -> Self {
        Self::under(sweep, chance, is_constant)
    }

    /// The finished runs whose schedule reacts to what is measured.
    pub(crate) fn reacting(sweep: &'a RecordedSweep, chance: f64) -> Self {
        Self::under(sweep, chance, |run| run.record.as_ref().is_some_and(|record| record.scheduled))
    }

    /// The finished runs under any schedule.
    pub(crate) fn all(sweep: &'a RecordedSweep, chance: f64) -> Self {
        Self::under(sweep, chance, |_| true)
    }

    fn under(sweep: &'a RecordedSweep, chance: f64, is_wanted: fn(&RecordedRun) -> bool) -> Self {
        let keys = grid_keys(sweep.provenance.as_ref());
        // The columns of runs whose bounds have other options are not to be compared, whatever the label.
        let mut by_arm: BTreeMap<(&Arm, String), Vec<&RecordedRun>> = BTreeMap::new();
        let (fresh, kept): (Vec<&RecordedRun>, Vec<&RecordedRun>) =
            sweep.finished().partition(|run| is_ceiling(run, &keys));
        let fresh: Vec<&RecordedRun> = fresh.into_iter().filter(|run| is_constant(run)).collect();
        for run in kept.into_iter().filter(|run| is_wanted(run)) {
            by_arm.entry((&run.arm, formula(run).map_or_else(String::new, Value::to_string))).or_default().push(run);
        }
        let (mut healthy, mut judged) = (Vec::new(), Judged::default());
        for ((arm, _), runs) in by_arm {
            let own = ceiling_of_fresh_runs(runs[0], &fresh, &keys);
            // A schedule changes the rate of the first task, too: what was to be lost is known at the constant rate alone.
            let at_constant_rate = || is_constant(runs[0]).then(|| first_task(&runs)).flatten();
            let Some(ceiling) = own.or_else(at_constant_rate).or_else(|| first_task_of_control(sweep, runs[0])) else {
                continue;
            };
            if ceiling - chance < LEAST_TO_LOSE {
                judged.left_out.push(arm.clone());
                continue;
            }
            let name = family(&part_names(runs[0], &keys));
            let family = judged.families.iter().position(|known| *known == name).unwrap_or_else(|| {
                judged.families.push(name);
                judged.families.len() - 1
            });
            let number = judged.own_ceilings.whole;
            judged.own_ceilings.whole += 1;
            judged.own_ceilings.part += usize::from(own.is_some());
            let of_accuracy =
                |accuracy: &Option<f64>| accuracy.map(|accuracy| (accuracy - chance) / (ceiling - chance));
            healthy.extend(runs.iter().map(|run| HealthyRun {
                run,
                family,
                arm: number,
                health: run.series.online_accuracy().iter().map(of_accuracy).collect(),
                ceiling,
            }));
        }
        HealthyArms { runs: healthy, judged }
    }
}

impl HealthyArms<'_> {
    /// Whether the bounds of all runs are computed with the same options.
    pub(crate) fn one_formula(&self) -> bool {
        self.runs.windows(2).all(|pair| formula(pair[0].run) == formula(pair[1].run))
    }
}

/// The options of a run's bounds.
fn formula(run: &RecordedRun) -> Option<&Value> {
    run.record.as_ref()?.options.pointer("/schedule/bounds")
}

/// The mean over seeds of an arm's own first task.
fn first_task(runs: &[&RecordedRun]) -> Option<f64> {
    let firsts: Vec<f64> = runs.iter().filter_map(|run| *run.series.online_accuracy().first()?).collect();
    mean(&firsts).ok()
}

/// The same of the arm of its method at its constant base rate.
fn first_task_of_control(sweep: &RecordedSweep, run: &RecordedRun) -> Option<f64> {
    let control = |other: &&RecordedRun| {
        other.arm.method == run.arm.method && other.arm.schedule == CONTROL && same_setting(run, other)
    };
    first_task(&sweep.finished().filter(control).collect::<Vec<_>>())
}

/// Whether the run's rates never change.
fn is_constant(run: &RecordedRun) -> bool {
    let name = run.record.as_ref().and_then(|record| record.options.pointer("/schedule/name")?.as_str());
    name.map_or(run.arm.schedule == CONTROL, |name| name == CONTROL)
}

/// The family of methods of each arm, whatever its schedule.
pub(crate) fn families(sweep: &RecordedSweep) -> BTreeMap<Arm, String> {
    let keys = grid_keys(sweep.provenance.as_ref());
    sweep.finished().map(|run| (run.arm.clone(), family(&part_names(run, &keys)))).collect()
}

/// The name of a family: its parts, the weight decays being one, and ReLU, which is there without being named, none.
fn family(parts: &[String]) -> String {
    let name = |part: &String| if DECAYS.contains(&part.as_str()) { "weight decay".to_owned() } else { part.clone() };
    let mut names: Vec<String> = parts.iter().map(name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "relu".to_owned() } else { names.join(" + ") }
}

/// The mean online accuracy over all tasks of the runs of the same parts and `reset`, at the same constant rate and setting.
fn ceiling_of_fresh_runs(run: &RecordedRun, fresh: &[&RecordedRun], keys: &[String]) -> Option<f64> {
    let own = fresh.iter().filter(|other| {
        let schedule = if is_constant(run) { &run.arm.schedule } else { CONTROL };
        other.arm.schedule == schedule && is_ceiling_of(other, run, keys) && same_setting(run, other)
    });
    let accuracies: Vec<f64> = own.filter_map(|run| defined_mean(run.series.online_accuracy())).collect();
    mean(&accuracies).ok()
}
