//! A sweep with everything that is computed from it once: what figures, tables and warnings draw on.

use std::collections::BTreeMap;

use trainability_record::run::Status;
use trainability_stats::Interval;
use trainability_stats::aggregate::mean;
use trainability_stats::jackknife::mean_over_seeds;

use crate::evidence::against::Against;
use crate::evidence::claims::claim::Judgement;
use crate::evidence::claims::judge;
use crate::evidence::claims::roles::{ScheduleRole, roles};
use crate::evidence::comparison::{ArmSummary, compare_arms};
use crate::evidence::health::{HealthyArms, Judged, families};
use crate::evidence::method_ranks::MethodRanks;
use crate::evidence::onset::{Onset, onsets};
use crate::evidence::ordering::{Ordering, order_indicators};
use crate::evidence::outcomes::EventOptions;
use crate::evidence::predictiveness::{Predictiveness, PredictivenessOptions, score_indicators};
use crate::evidence::replicates::Rounding;
use crate::evidence::schedules::{ScheduleSummary, compare_schedules};
use crate::results::{RecordedRun, RecordedSweep, lookup};
use crate::selected::Selected;
use crate::series::{Arm, CONTROL, Series};
use crate::setting::{grid_keys, is_ceiling, references};
use crate::wording::distinct;

pub(crate) mod against;
pub(crate) mod claims;
pub(crate) mod comparison;
pub(crate) mod gain;
pub(crate) mod health;
pub(crate) mod method_ranks;
pub(crate) mod onset;
pub(crate) mod ordering;
pub(crate) mod outcomes;
pub(crate) mod pairs;
pub(crate) mod predictiveness;
pub(crate) mod replicates;
pub(crate) mod rows;
pub(crate) mod schedules;
pub(crate) mod trainability;
pub(crate) mod warnings;

/// A sweep and what was computed from it.
pub(crate) struct Evidence {
    /// The sweep.
    pub sweep: RecordedSweep,
    /// The per-task values of its finished runs.
    pub series: Vec<Series>,
    /// Methods with a finished run, in the sweep's order.
    pub methods: Vec<String>,
    /// Schedules with a finished run, in the sweep's order.
    pub schedules: Vec<String>,
    /// The number of classes, if the records say it; chance is one over it.
    pub classes: Option<f64>,
    /// What each arm achieved, in the sweep's order.
    pub summaries: Vec<ArmSummary>,
    /// What each schedule achieved over the methods that all were run with, in the sweep's order.
    pub compared_schedules: Vec<ScheduleSummary>,
    /// How the methods rank under the control schedule, where there are several and seeds that they share.
    pub method_ranks: Option<MethodRanks>,
    /// What each schedule is to the claims, by its label.
    pub roles: BTreeMap<String, ScheduleRole>,
    /// What the runs say of the paper's claims.
    pub judgements: Vec<Judgement>,
    /// Which arms the next are judged on.
    pub judged: Judged,
    /// Which indicator orders seeds by how they will fare, and which adds to what present health says.
    pub ordering: Vec<Ordering>,
    /// When the runs of each arm lose trainability, whatever their schedule.
    pub onsets: Vec<Onset>,
    /// How far rounding moves the runs of arms that have replicates, which enter nothing else.
    pub rounding: Vec<Rounding>,
    /// How well each indicator of the glossary foretells, horizon by horizon.
    pub scores: Vec<Predictiveness>,
    /// The definition of the event, with the reset arm that each arm is held against.
    pub event: EventOptions,
    /// The keys of the sweep's grid.
    pub grid_keys: Vec<String>,
    /// Methods that start afresh at every task.
    pub ceilings: Vec<String>,
    /// What part of which sweeps this is, a sentence each; nothing of one sweep as a whole.
    pub slice: Vec<String>,
    /// What a reader must know of how the sweeps were put together, a sentence each.
    pub cautions: Vec<String>,
    /// The first task that the runs' series begin with, counted from 0.
    pub first_task: usize,
    /// A paper beside the sweep, where one was asked for.
    pub against: Option<Against>,
}

impl Evidence {
    /// Collects the finished runs, of one sweep or of several or of a part, and computes their statistics.
    pub(crate) fn of(selected: Selected) -> Self {
        let Selected { mut sweep, slice, cautions, first_task } = selected;
        let replicates = replicates::take(&mut sweep);
        let rounding = replicates::rounding(&sweep, &replicates);
        let grid_keys = grid_keys(sweep.provenance.as_ref());
        let methods = distinct(sweep.finished().map(|run| run.arm.method.clone()));
        let schedules = distinct(sweep.finished().map(|run| run.arm.schedule.clone()));
        let reset = sweep.finished().filter(|run| is_ceiling(run, &grid_keys));
        let ceilings = distinct(reset.map(|run| run.arm.method.clone()));
        let series: Vec<Series> = sweep.finished().map(|run| run.series.clone()).collect();
        let mut diverged = BTreeMap::new();
        for run in sweep.runs.iter().filter(|run| run.status() == Some(Status::Diverged)) {
            *diverged.entry(run.arm.clone()).or_insert(0) += 1;
        }
        let place = |arm: &Arm| sweep.runs.iter().position(|run| run.arm == *arm);
        let mut summaries = compare_arms(&series, &diverged);
        summaries.sort_by_cached_key(|summary| place(&summary.arm));
        let mut compared_schedules = compare_schedules(&series, &ceilings);
        compared_schedules.sort_by_key(|summary| schedules.iter().position(|label| *label == summary.schedule));
        let event =
            EventOptions { references: references(&sweep), families: families(&sweep), ..EventOptions::default() };
        let options = PredictivenessOptions { event: event.clone(), ..PredictivenessOptions::default() };
        let scores = score_indicators(&series, &sweep.glossary.indicators, &options);
        let options = sweep.finished().filter_map(|run| run.record.as_ref()).map(|record| &record.options);
        let classes = sweep.provenance.iter().chain(options).find_map(|value| lookup(value, "classes")?.as_f64());
        let roles = roles(&sweep);
        let (judged, ordering, judgements, onsets) = {
            let chance = classes.map_or(0.0, |classes| 1.0 / classes);
            let (arms, reacting) = (HealthyArms::of(&sweep, chance), HealthyArms::reacting(&sweep, chance));
            let ordering = order_indicators(&arms, &reacting, &sweep.glossary.indicators);
            let judgements = judge(&sweep, &arms, &series, &roles, &event.families);
            (arms.judged, ordering, judgements, onsets(&HealthyArms::all(&sweep, chance), first_task))
        };
        let control = schedules.iter().find(|schedule| *schedule == CONTROL).or(schedules.first());
        let trained: Vec<&String> = methods.iter().filter(|method| !ceilings.contains(method)).collect();
        let method_ranks = control.and_then(|control| MethodRanks::of(&series, &trained, control));
        Self {
            method_ranks,
            sweep,
            series,
            methods,
            schedules,
            classes,
            summaries,
            compared_schedules,
            roles,
            judgements,
            judged,
            ordering,
            onsets,
            rounding,
            scores,
            event,
            grid_keys,
            ceilings,
            slice,
            cautions,
            first_task,
            against: None,
        }
    }

    /// When the runs of an arm lose trainability; arms that have no ceiling, or are one, have no onset.
    pub(crate) fn onset(&self, arm: &Arm) -> Option<&Onset> {
        self.onsets.iter().find(|onset| onset.arm == *arm)
    }

    /// The finished runs of an arm, by seed.
    pub(crate) fn arm(&self, method: &str, schedule: &str) -> Vec<&RecordedRun> {
        self.sweep.finished().filter(|run| run.arm.method == method && run.arm.schedule == schedule).collect()
    }

    /// The runs of an arm that have not finished, by seed: they are shown, and enter nothing.
    pub(crate) fn unfinished_arm(&self, method: &str, schedule: &str) -> Vec<&RecordedRun> {
        self.sweep.unfinished().filter(|run| run.arm.method == method && run.arm.schedule == schedule).collect()
    }

    /// The schedules of finished runs, and after them those of unfinished ones alone.
    pub(crate) fn shown_schedules(&self) -> Vec<String> {
        let unfinished = self.sweep.unfinished().map(|run| run.arm.schedule.clone());
        distinct(self.schedules.iter().cloned().chain(unfinished))
    }

    /// Every arm with a finished run, in the sweep's order.
    pub(crate) fn arms(&self) -> Vec<Arm> {
        let mut arms: Vec<Arm> = self.sweep.finished().map(|run| run.arm.clone()).collect();
        arms.dedup();
        arms
    }

    /// Every arm with its finished runs, in the sweep's order.
    pub(crate) fn runs_by_arm(&self) -> Vec<(Arm, Vec<&RecordedRun>)> {
        self.arms().into_iter().map(|arm| (arm.clone(), self.arm(&arm.method, &arm.schedule))).collect()
    }

    /// The methods that keep their network from task to task; all methods if there is none.
    pub(crate) fn trained_methods(&self) -> Vec<&String> {
        let trained: Vec<_> = self.methods.iter().filter(|method| !self.is_ceiling(method)).collect();
        if trained.is_empty() { self.methods.iter().collect() } else { trained }
    }

    /// The schedule that serves as control: `constant`, or the sweep's first.
    pub(crate) fn control(&self) -> String {
        let constant = self.schedules.iter().find(|schedule| *schedule == CONTROL);
        constant.or(self.schedules.first()).cloned().unwrap_or_default()
    }

    /// Whether the method starts afresh at every task: the others are held against it.
    pub(crate) fn is_ceiling(&self, method: &str) -> bool {
        self.ceilings.iter().any(|ceiling| ceiling == method)
    }

    /// The runs of the ceiling of a method, if there is one.
    pub(crate) fn ceiling(&self, method: &str) -> Option<Vec<&RecordedRun>> {
        let of_method = |(arm, reference): (&Arm, &Option<Arm>)| reference.clone().filter(|_| arm.method == method);
        let arm = self.event.references.iter().find_map(of_method)?;
        Some(self.arm(&arm.method, &arm.schedule)).filter(|runs| !runs.is_empty())
    }

    /// The mean over runs by task, counted from 1; tasks at which any run is undefined are gaps.
    pub(crate) fn mean_curve(&self, tasks: &[Vec<f64>]) -> Vec<(f64, f64)> {
        self.numbered(tasks).map(|(task, values)| (task, mean(values).unwrap_or(f64::NAN))).collect()
    }

    /// The 95 % interval over runs of the mean of a share by task, counted from 1: task, low, high.
    pub(crate) fn interval_band(&self, tasks: &[Vec<f64>]) -> Vec<(f64, f64, f64)> {
        let runs = tasks.first().map_or(0, Vec::len);
        let band = |(task, values): (f64, &[f64])| {
            let whole = values.len() == runs && !values.iter().any(|value| value.is_nan());
            let mean = whole.then(|| mean_over_seeds(Interval::SHARE, values));
            match mean.and_then(Result::ok).map(|mean| mean.interval()) {
                Some(Ok(interval)) => (task, interval.low, interval.high),
                _ => (task, f64::NAN, f64::NAN),
            }
        };
        self.numbered(tasks).map(band).collect()
    }

    /// Tasks with their numbers, counted from 1 over whole runs.
    fn numbered<'t>(&self, tasks: &'t [Vec<f64>]) -> impl Iterator<Item = (f64, &'t [f64])> {
        (self.first_task + 1..).map(|task| task as f64).zip(tasks.iter().map(Vec::as_slice))
    }

    /// The layers of the methods' runs, in order of first appearance.
    pub(crate) fn layers(&self, methods: &[&String]) -> Vec<String> {
        let runs = self.sweep.finished().chain(self.sweep.unfinished());
        let runs = runs.filter(|run| methods.contains(&&run.arm.method));
        distinct(runs.flat_map(|run| &run.traces).map(|trace| trace.layer.clone()))
    }

    /// The most tasks of any run.
    pub(crate) fn tasks(&self) -> usize {
        self.series.iter().map(|series| series.online_accuracy().len()).max().unwrap_or(0)
    }

    /// The most tasks of any run that figures show, unfinished ones included.
    pub(crate) fn shown_tasks(&self) -> usize {
        self.sweep.unfinished().map(RecordedRun::tasks).chain([self.tasks()]).max().unwrap_or(0)
    }

    /// The last measured update of any run, unfinished ones included.
    pub(crate) fn updates(&self) -> u64 {
        let traces = self.sweep.finished().chain(self.sweep.unfinished()).flat_map(|run| &run.traces);
        traces.filter_map(|trace| trace.updates.last().copied()).max().unwrap_or(0)
    }

    /// The finished seeds of every arm.
    pub(crate) fn seeds(&self) -> Vec<usize> {
        self.runs_by_arm().iter().map(|(_, runs)| runs.len()).collect()
    }

    /// The most finished seeds of any arm.
    pub(crate) fn most_seeds(&self) -> usize {
        self.seeds().into_iter().max().unwrap_or(0)
    }
}

/// A column's values by task, then by run; undefined values are NaN.
pub(crate) fn across_seeds(runs: &[&RecordedRun], column: &str) -> Vec<Vec<f64>> {
    by_task(&runs.iter().map(|run| run.series.column(column)).collect::<Vec<_>>())
}

/// Turns one list a run into one list a task; undefined values are NaN.
pub(crate) fn by_task(runs: &[impl AsRef<[Option<f64>]>]) -> Vec<Vec<f64>> {
    let tasks = runs.iter().map(|run| run.as_ref().len()).max().unwrap_or(0);
    let at = |task: usize| runs.iter().filter_map(move |run| run.as_ref().get(task)).map(|v| v.unwrap_or(f64::NAN));
    (0..tasks).map(|task| at(task).collect()).collect()
}
