//! The lines of `ordering.csv`, `predictiveness.csv`, `summary.csv`, `claims.csv` and `against.csv`; `docs/results-format.md` describes every column.

use serde::Serialize;
use trainability_record::glossary::Level;
use trainability_record::label::of_value;
use trainability_stats::auroc::Direction;
use trainability_stats::estimate::{Estimate, Share, Undefined, cells};
use trainability_stats::paired_tests::sign_flip_floor;

use crate::evidence::against::Against;
use crate::evidence::against::comparison::{Missing, SideBySide, Standing};
use crate::evidence::against::paper::ReportedAt;
use crate::evidence::claims::claim::{Finding, Judgement, LEVEL, Verdict};
use crate::evidence::comparison::ArmSummary;
use crate::evidence::onset::{FirstTask, Onset};
use crate::evidence::ordering::Ordering;
use crate::evidence::outcomes::Reference;
use crate::evidence::predictiveness::Predictiveness;

/// A verdict as the CSV has it.
fn word(verdict: Verdict) -> String {
    verdict.to_string().replace(' ', "_")
}

/// A field of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum CsvField {
    /// Words.
    Text(String),
    /// How many there are of something.
    Count(usize),
    /// A number; an undefined one is an empty field.
    Number(Option<f64>),
}

/// A line of a CSV file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CsvLine {
    /// The columns with their fields, in order.
    pub fields: Vec<(String, CsvField)>,
    /// The reasons of undefined numbers, and the columns that share each.
    reasons: Vec<(Undefined, Vec<String>)>,
}

impl CsvLine {
    /// A line of `predictiveness.csv`: one indicator at one horizon. See [`Predictiveness`] for the definitions.
    pub(crate) fn of_score(score: &Predictiveness) -> Self {
        let mut line = Self::default();
        line.text("indicator", &score.indicator.name);
        line.text("role", score.indicator.role.name());
        line.count("horizon", score.horizon);
        line.text("target", score.target.name());
        line.estimate("auroc", &score.auroc);
        // In the direction chosen over all data: optimistic for a worthless indicator.
        line.interval("auroc_oriented", &score.auroc_oriented());
        line.text("direction", score.direction.map_or("", Direction::name));
        line.estimate("average_precision", &score.average_precision);
        line.estimate("spearman_pooled", &score.spearman_pooled);
        line.estimate("spearman_within", &score.spearman_within);
        line.reason("kendall_pooled", score.kendall_pooled.err());
        line.number("kendall_pooled", score.kendall_pooled.ok());
        line.estimate("kendall_within", &score.kendall_within);
        line.reason("sign_consistency", score.sign_consistency.err());
        line.number("sign_consistency", score.sign_consistency.ok().as_ref().and_then(Share::value));
        line.count("sign_consistency_arms", score.sign_consistency.map_or(0, |share| share.whole));
        line.estimate("lead_time", &score.lead_time);
        line.number("lead_time_by_chance", score.lead_time_by_chance.ok());
        line.count("lead_time_runs", score.lead_time.map_or(0, |lead| lead.n()));
        line.number("warned_share", score.warned.ok().as_ref().and_then(Share::value));
        line.estimate("gain_over_task_age", &score.gain_over_task_age);
        line.estimate("gain_over_online_accuracy", &score.gain_over_online_accuracy);
        line.count("events", score.events);
        line.count("n", score.pairs);
        line.count("runs", score.runs);
        line.count("seeds", score.seeds);
        line.number("undefined_share", score.undefined.value());
        line.text("reference", score.reference.map_or("", Reference::name));
        line.with_note()
    }

    /// A line of `ordering.csv`: one indicator. See [`Ordering`] for the definitions.
    pub(crate) fn of_ordering(score: &Ordering) -> Self {
        let mut line = Self::default();
        line.text("indicator", &score.indicator.name);
        line.text("role", score.indicator.role.name());
        line.text("verdict", score.power().name());
        line.estimate("concordance", &score.concordance);
        line.reason("p", score.p.err());
        line.number("p", score.p.ok());
        line.number("p_corrected", score.p_corrected.ok());
        line.interval("concordance_by_family", &score.by_family);
        line.text(
            "theory_loss_follows",
            score.indicator.loss_follows.map_or("", |level| match level {
                Level::Low => "low",
                Level::High => "high",
            }),
        );
        line.interval("concordance_by_theory", &score.by_theory.unwrap_or(Err(Undefined::NoValues)));
        line.estimate("added", &score.added);
        line.reason("p_added", score.p_added.err());
        line.number("p_added", score.p_added.ok());
        line.number("p_added_corrected", score.p_added_corrected.ok());
        for (name, companion) in &score.companions {
            line.interval(&format!("concordance_{name}"), companion);
        }
        line.number("detectable", score.detectable.ok());
        line.count("families_read_high_as_good", score.high_is_good.part);
        line.count("families_with_direction", score.high_is_good.whole);
        line.count("flips", score.flips.part);
        line.count("directions_learnt", score.flips.whole);
        line.number("tied_share", score.tied);
        line.count("missing", score.missing.part);
        line.count("rows", score.missing.whole);
        line.count("pairs", score.pairs);
        line.count("seeds", score.concordance.map_or(0, |estimate| estimate.n()));
        line.with_note()
    }

    /// A line of `summary.csv`: one arm. See [`ArmSummary`] and [`Onset`] for the definitions.
    pub(crate) fn of_arm(summary: &ArmSummary, onset: Option<&Onset>) -> Self {
        let mut line = Self::default();
        line.text("method", &summary.arm.method);
        line.text("schedule", &summary.arm.schedule);
        line.count("n", summary.seeds);
        line.estimate("mean_online_accuracy", &summary.mean_accuracy);
        line.estimate("last_quarter_online_accuracy", &summary.last_quarter_accuracy);
        line.estimate("last_task_online_accuracy", &summary.last_task_accuracy);
        // Most streams have none, and need no reason in every line.
        match summary.mean_test_accuracy {
            Ok(_) => line.estimate("mean_test_accuracy", &summary.mean_test_accuracy),
            Err(_) => line.interval("mean_test_accuracy", &summary.mean_test_accuracy),
        }
        line.estimate("slope", &summary.slope);
        line.estimate("interquartile_mean", &summary.interquartile_mean);
        line.count("paired_seeds", summary.gain.difference.map_or(0, |difference| difference.n()));
        line.estimate("probability_of_improvement", &summary.gain.improvement);
        line.estimate("difference_to_constant", &summary.gain.difference);
        line.reason("p_paired_t", summary.gain.p_paired_t.err());
        line.number("p_paired_t", summary.gain.p_paired_t.ok());
        line.number("p_paired_t_holm", summary.gain.p_paired_t_holm.ok());
        line.reason("p_sign_flip", summary.gain.p_sign_flip.err());
        line.number("p_sign_flip", summary.gain.p_sign_flip.ok());
        let tested = summary.gain.p_sign_flip.and(summary.gain.difference);
        line.number("p_sign_flip_floor", tested.ok().map(|difference| sign_flip_floor(difference.n())));
        line.count("diverged", summary.diverged);
        line.number("ceiling", onset.map(|onset| onset.ceiling));
        for (name, first) in
            [("loss", onset.map(|onset| &onset.loss)), ("collapse", onset.map(|onset| &onset.collapse))]
        {
            line.count_if_any(&format!("runs_with_{name}"), first.map(|first| first.runs.part));
            line.count_if_any(&format!("median_task_of_{name}"), first.and_then(FirstTask::median));
        }
        line.with_note()
    }

    /// The lines of `claims.csv`: one of the claim as a whole, and one of each finding.
    pub(crate) fn of_judgement(judgement: &Judgement) -> Vec<Self> {
        let Judgement { claim, findings, .. } = judgement;
        let mut whole = Self::default();
        let deciding = judgement.deciding();
        whole.text("claim", claim.letter);
        whole.text("subject", "");
        whole.text("verdict", word(judgement.verdict));
        let reason = deciding.map_or(Err(Undefined::NoValues), |finding| finding.effect);
        whole.interval("effect", &reason);
        whole.count("n", reason.map_or(0, |effect| effect.n()));
        whole.number("p", judgement.p.ok());
        whole.number("p_corrected", judgement.p_corrected.ok());
        whole.number("detectable", judgement.detectable.ok());
        whole.seeds_needed(judgement.seeds_needed);
        whole.text("about", deciding.map_or("", |finding| &*finding.subject));
        whole.text("note", claim.statement);
        let of_finding = |finding: &Finding| {
            let mut line = Self::default();
            line.text("claim", claim.letter);
            line.text("subject", &finding.subject);
            line.text("verdict", word(finding.verdict(claim, findings.len())));
            line.interval("effect", &finding.effect);
            line.count("n", finding.effect.map_or(0, |effect| effect.n()));
            let sides = [finding.p_for, finding.p_against].into_iter().flatten();
            line.number("p", sides.reduce(f64::min));
            line.number("p_corrected", None);
            line.number("detectable", finding.power.and_then(|power| power.smallest_detectable(LEVEL)).ok());
            line.seeds_needed(finding.seeds_needed());
            line.text("about", "");
            let reasons = [finding.effect.err(), finding.effect.ok().and_then(|effect| effect.interval().err())];
            let reason = reasons.into_iter().flatten().next().map(|reason| reason.to_string());
            let note = [reason.unwrap_or_default(), finding.note.clone()];
            line.text("note", note.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; "));
            line
        };
        [whole].into_iter().chain(findings.iter().map(of_finding)).collect()
    }

    /// A line of `against.csv`: a value of a paper, and what an arm has in its place.
    pub(crate) fn of_comparison(against: &Against, comparison: &SideBySide) -> Self {
        let report = against.report(comparison);
        let mut line = Self::default();
        line.text("paper", &against.paper.name);
        line.text("where", &report.from);
        let parts: Vec<&str> = report.method.iter().map(|(name, _)| name.as_str()).collect();
        line.text("method", parts.join("+"));
        line.text("schedule", &report.schedule);
        line.number("learning_rate", Some(report.learning_rate));
        let setting = report.setting.iter().map(|(key, value)| format!("{key}={}", of_value(value)));
        line.text("setting", setting.collect::<Vec<_>>().join("; "));
        line.text("quantity", &report.quantity);
        line.text("layer", report.layer.as_deref().unwrap_or(""));
        let (over, from, to, event) = match comparison.moment {
            ReportedAt::Task(task) => ("", Some(task), Some(task), None),
            ReportedAt::Updates(over, from, to) => (over.name(), Some(from), Some(to), None),
            ReportedAt::Event(event) => ("", None, None, Some(event)),
            ReportedAt::Run => ("", None, None, None),
        };
        line.text("moment", over);
        line.count_if_any("first_task", from);
        line.count_if_any("last_task", to);
        line.count_if_any("event", event);
        line.number("paper_value", Some(comparison.paper));
        line.number("reading_error", Some(report.reading_error));
        let arm = comparison.arm.as_ref();
        line.text("arm_method", arm.map_or("", |arm| &*arm.arm.method));
        line.text("arm_schedule", arm.map_or("", |arm| &*arm.arm.schedule));
        let apart = arm.map_or(&[][..], |arm| &arm.apart).iter().map(|apart| apart.text.as_str());
        line.text("arm_apart", apart.collect::<Vec<_>>().join("; "));
        line.text(
            "runs",
            if arm.is_none() {
                ""
            } else if comparison.unfinished {
                "unfinished"
            } else {
                "finished"
            },
        );
        let ours = comparison.ours.as_ref().map_err(|_| Undefined::NoValues).copied();
        line.count("n", ours.map_or(0, |ours| ours.n()));
        line.interval("ours", &ours);
        line.number("difference", comparison.difference());
        line.number("spread", comparison.spread.ok().filter(|_| ours.is_ok() && !comparison.unfinished));
        let (verdict, reached) = match &comparison.standing {
            Standing::Within => ("within", None),
            Standing::Outside => ("outside", None),
            Standing::TooFewSeeds => ("too_few_seeds", None),
            Standing::Unfinished => ("unfinished", None),
            Standing::Missing(Missing::NotRun) => ("not_run", None),
            Standing::Missing(Missing::NotReached { done, .. }) => ("not_reached", Some(*done)),
            Standing::Missing(Missing::LeftOut) => ("left_out", None),
            Standing::Missing(Missing::NotRecorded) => ("not_recorded", None),
            Standing::Missing(Missing::Undefined) => ("undefined", None),
        };
        line.text("verdict", verdict);
        line.count_if_any("tasks_done", reached);
        line.text("note", &report.note);
        line
    }

    fn seeds_needed(&mut self, seeds: Result<Option<usize>, Undefined>) {
        self.number("seeds_needed", seeds.ok().flatten().map(|seeds| seeds as f64));
    }

    /// Adds words. Those that a spreadsheet would take for a formula get an apostrophe in front.
    fn text(&mut self, column: &str, text: impl Into<String>) {
        let text = text.into();
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
        let text = if formula { format!("'{text}") } else { text };
        self.fields.push((column.to_owned(), CsvField::Text(text)));
    }

    fn count(&mut self, column: &str, count: usize) {
        self.fields.push((column.to_owned(), CsvField::Count(count)));
    }

    /// Adds how many there are where that is known, else an empty field.
    fn count_if_any(&mut self, column: &str, count: Option<usize>) {
        self.fields.push((column.to_owned(), count.map_or(CsvField::Number(None), CsvField::Count)));
    }

    fn number(&mut self, column: &str, number: Option<f64>) {
        self.fields.push((column.to_owned(), CsvField::Number(number)));
    }

    /// Adds a point, and under `_low` and `_high` the ends of its 95 % interval.
    fn interval(&mut self, column: &str, estimate: &Result<Estimate, Undefined>) {
        for (end, number) in ["", "_low", "_high"].into_iter().zip(cells(estimate)) {
            self.number(&format!("{column}{end}"), number);
        }
    }

    /// The same, with the reason of what of it is undefined.
    fn estimate(&mut self, column: &str, estimate: &Result<Estimate, Undefined>) {
        match estimate {
            Ok(estimate) => self.reason(&format!("interval of {column}"), estimate.interval().err()),
            Err(reason) => self.reason(column, Some(*reason)),
        }
        self.interval(column, estimate);
    }

    fn reason(&mut self, column: &str, reason: Option<Undefined>) {
        let Some(reason) = reason else { return };
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, columns)) => columns.push(column.to_owned()),
            None => self.reasons.push((reason, vec![column.to_owned()])),
        }
    }

    /// Ends with which of the numbers are undefined, and why, like
    /// `auroc, average_precision: no loss-of-trainability event; interval of slope: ...`.
    fn with_note(mut self) -> Self {
        let sentence = |(reason, columns): &(Undefined, Vec<String>)| format!("{}: {reason}", columns.join(", "));
        let note = self.reasons.iter().map(sentence).collect::<Vec<_>>().join("; ");
        self.text("note", note);
        self
    }
}
