//! `--against`: what a paper reports beside what the sweep has, value by value.
//!
//! A paper's numbers are a file ([`paper`]); a report of it is about arms with certain options ([`matching`]), whatever their labels;
//! each of its values stands beside the mean over the arm's seeds ([`comparison`]). Nothing here enters a verdict on a claim.

use trainability_record::label::of_value;

use crate::evidence::against::comparison::SideBySide;
use crate::evidence::against::matching::{MatchedArm, fits, matched};
use crate::evidence::against::paper::{Paper, Reported, ReportedAt};
use crate::refusal::Refusal;
use crate::results::{RecordedRun, RecordedSweep};
use crate::setting::{grid_keys, option};
use crate::wording::distinct;

pub(crate) mod comparison;
pub(crate) mod matching;
pub(crate) mod paper;
mod place;

/// A paper beside a sweep.
pub(crate) struct Against {
    /// The paper.
    pub paper: Paper,
    /// For each of its reports, the arms that it is about.
    pub arms: Vec<Vec<MatchedArm>>,
    /// Its values beside those of the arms, in the paper's order.
    pub comparisons: Vec<SideBySide>,
    /// The options in which arms that are compared differ from the paper's runs.
    pub other_setting: Vec<OtherSetting>,
}

/// An option of the paper's runs that arms do not share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OtherSetting {
    /// Its path.
    pub key: String,
    /// The arms' values, each once.
    pub ours: Vec<String>,
    /// The paper's.
    pub paper: String,
}

impl Against {
    /// Holds the finished and the unfinished runs of a sweep against a paper.
    ///
    /// # Errors
    /// The paper reports something that no sweep records.
    pub(crate) fn of(paper: Paper, sweep: &RecordedSweep, first_task: usize) -> Result<Against, Refusal> {
        paper.check(&sweep.glossary)?;
        let keys = grid_keys(sweep.provenance.as_ref());
        let runs = || sweep.finished().chain(sweep.unfinished());
        let of_report = |report: &Reported| {
            let mut arms = matched(report, runs(), &keys);
            arms.sort_by_key(|arm| sweep.runs.iter().position(|run| run.arm == arm.arm));
            arms
        };
        let all: Vec<Vec<MatchedArm>> = paper.reports.iter().map(of_report).collect();
        let mut arms = all.clone();
        for (place, report) in paper.reports.iter().enumerate().filter(|(_, report)| report.setting.is_empty()) {
            // What the paper has of the very setting of an arm stands in the place of what it has of its usual one.
            let nearer = |other: &usize| {
                let nearer = &paper.reports[*other];
                !nearer.setting.is_empty() && is_the_same_but_for_the_setting(report, nearer)
            };
            let nearer: Vec<usize> = (0..all.len()).filter(nearer).collect();
            arms[place].retain(|arm| !nearer.iter().any(|place| all[*place].iter().any(|other| other.arm == arm.arm)));
        }
        let mut comparisons = Vec::new();
        for (place, report) in paper.reports.iter().enumerate() {
            for arm in &arms[place] {
                let own: Vec<&RecordedRun> = runs().filter(|run| run.arm == arm.arm).collect();
                let (finished, unfinished): (Vec<&RecordedRun>, Vec<&RecordedRun>) =
                    own.into_iter().partition(|run| run.finished());
                for (runs, is_unfinished) in [(finished, false), (unfinished, true)] {
                    let compare = |value: &(ReportedAt, f64)| {
                        let group = (arm, &runs[..], is_unfinished);
                        SideBySide::of((place, report), *value, group, paper.seeds, first_task)
                    };
                    comparisons.extend(report.values.iter().filter(|_| !runs.is_empty()).map(compare));
                }
            }
            if all[place].is_empty() {
                comparisons.extend(report.values.iter().map(|value| SideBySide::not_run(place, *value)));
            }
        }
        let other_setting = other_setting(&paper, &arms, sweep);
        Ok(Against { paper, arms, comparisons, other_setting })
    }

    /// The report that a comparison is of.
    pub(crate) fn report(&self, comparison: &SideBySide) -> &Reported {
        &self.paper.reports[comparison.report]
    }
}

/// Whether two reports are of the same arm and quantity in different settings.
fn is_the_same_but_for_the_setting(one: &Reported, other: &Reported) -> bool {
    let kind = |report: &Reported| match report.values.first() {
        Some((ReportedAt::Updates(over, ..), _)) => Some(*over),
        _ => None,
    };
    one.method == other.method
        && (&one.schedule, &one.schedule_options) == (&other.schedule, &other.schedule_options)
        && one.learning_rate == other.learning_rate
        && (&one.quantity, &one.layer) == (&other.quantity, &other.layer)
        && kind(one) == kind(other)
}

/// The options of the paper's runs that compared arms do not have. Those of schedules are asked of runs whose schedule has them.
fn other_setting(paper: &Paper, arms: &[Vec<MatchedArm>], sweep: &RecordedSweep) -> Vec<OtherSetting> {
    let mut found = Vec::new();
    for (key, wanted) in &paper.setting {
        let mut ours = Vec::new();
        for (report, arms) in paper.reports.iter().zip(arms) {
            if report.setting.iter().any(|(own, _)| own == key) {
                continue;
            }
            let runs =
                arms.iter().filter_map(|arm| sweep.runs.iter().find(|run| run.arm == arm.arm && run.record.is_some()));
            for value in runs.map(|run| option(run, key)) {
                let is_asked = value.is_some() || !key.starts_with("schedule.");
                if is_asked && !fits(wanted, value) {
                    ours.push(value.map_or_else(|| "not set".to_owned(), of_value));
                }
            }
        }
        if !ours.is_empty() {
            found.push(OtherSetting { key: key.clone(), ours: distinct(ours), paper: of_value(wanted) });
        }
    }
    found
}
