//! The lines of `predictiveness.csv` and `summary.csv`. An undefined number is an empty field, and `note` says why.

use serde::{Deserialize, Serialize};
use trainability_stats::auroc::Direction;
use trainability_stats::estimate::{Estimate, Share, Undefined, cells};
use trainability_stats::paired_tests::sign_flip_floor;

use crate::evidence::comparison::ArmSummary;
use crate::evidence::outcomes::Reference;
use crate::evidence::predictiveness::Predictiveness;

/// A line of `predictiveness.csv`: one indicator at one horizon. See [`Predictiveness`] for the definitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each `_low` and `_high` is an end of the 95 % interval of the column before it")]
pub(crate) struct PredictivenessRow {
    /// The indicator's column in `tasks.csv`.
    pub indicator: String,
    /// Its part in the argument.
    pub role: String,
    /// Tasks looked ahead.
    pub horizon: usize,
    /// `window_mean` or `endpoint`.
    pub target: String,
    /// AUROC for the event, high values announcing it.
    pub auroc: Option<f64>,
    pub auroc_low: Option<f64>,
    pub auroc_high: Option<f64>,
    /// AUROC in the direction chosen over all data: optimistic for a worthless indicator.
    pub auroc_oriented: Option<f64>,
    pub auroc_oriented_low: Option<f64>,
    pub auroc_oriented_high: Option<f64>,
    /// `high` or `low`: the values that announce the event.
    pub direction: String,
    /// Average precision in this direction; chance is `events / n`.
    pub average_precision: Option<f64>,
    pub average_precision_low: Option<f64>,
    pub average_precision_high: Option<f64>,
    /// Spearman's correlation over the pairs of all runs.
    pub spearman_pooled: Option<f64>,
    pub spearman_pooled_low: Option<f64>,
    pub spearman_pooled_high: Option<f64>,
    /// Spearman's correlation within a run, averaged over runs.
    pub spearman_within: Option<f64>,
    pub spearman_within_low: Option<f64>,
    pub spearman_within_high: Option<f64>,
    /// Kendall's tau-b over the pairs of all runs.
    pub kendall_pooled: Option<f64>,
    /// Kendall's tau-b within a run, averaged over runs.
    pub kendall_within: Option<f64>,
    pub kendall_within_low: Option<f64>,
    pub kendall_within_high: Option<f64>,
    /// Share of the arms in which the correlation within runs has the pooled sign.
    pub sign_consistency: Option<f64>,
    /// Arms that this share is taken over.
    pub sign_consistency_arms: usize,
    /// Mean tasks from the first alarm to the first loss of trainability, at 10 % false alarms; a run not warned counts 0.
    pub lead_time: Option<f64>,
    pub lead_time_low: Option<f64>,
    pub lead_time_high: Option<f64>,
    /// The same for alarms tossed with a chance of 10 %.
    pub lead_time_by_chance: Option<f64>,
    /// Runs that lose trainability after their first task, which the three above count.
    pub lead_time_runs: usize,
    /// Share of these runs that are warned before.
    pub warned_share: Option<f64>,
    /// Fall of the log-loss, in nats a task pair, when the indicator joins `task_age`, on left-out configurations.
    pub gain_over_task_age: Option<f64>,
    pub gain_over_task_age_low: Option<f64>,
    pub gain_over_task_age_high: Option<f64>,
    /// The same when it joins `online_accuracy`.
    pub gain_over_online_accuracy: Option<f64>,
    pub gain_over_online_accuracy_low: Option<f64>,
    pub gain_over_online_accuracy_high: Option<f64>,
    /// Task pairs whose target is a loss-of-trainability event.
    pub events: usize,
    /// Task pairs with indicator and outcome.
    pub n: usize,
    /// Runs that these pairs come from, which are what the intervals rest on.
    pub runs: usize,
    /// Different seeds among these runs.
    pub seeds: usize,
    /// Share of the task pairs with outcome in which the indicator is undefined.
    pub undefined_share: Option<f64>,
    /// `reset`, `first_task` or `mixed`: what the event is measured against.
    pub reference: String,
    /// Which of the numbers are undefined, and why.
    pub note: String,
}

impl From<&Predictiveness> for PredictivenessRow {
    fn from(score: &Predictiveness) -> Self {
        let [auroc, auroc_low, auroc_high] = cells(&score.auroc);
        let [auroc_oriented, auroc_oriented_low, auroc_oriented_high] = cells(&score.auroc_oriented());
        let [average_precision, average_precision_low, average_precision_high] = cells(&score.average_precision);
        let [spearman_pooled, spearman_pooled_low, spearman_pooled_high] = cells(&score.spearman_pooled);
        let [spearman_within, spearman_within_low, spearman_within_high] = cells(&score.spearman_within);
        let [kendall_within, kendall_within_low, kendall_within_high] = cells(&score.kendall_within);
        let [lead_time, lead_time_low, lead_time_high] = cells(&score.lead_time);
        let [gain_over_task_age, gain_over_task_age_low, gain_over_task_age_high] = cells(&score.gain_over_task_age);
        let [gain_over_online_accuracy, gain_over_online_accuracy_low, gain_over_online_accuracy_high] =
            cells(&score.gain_over_online_accuracy);
        let mut note = Note::default();
        note.estimate("auroc", &score.auroc);
        note.estimate("average_precision", &score.average_precision);
        note.estimate("spearman_pooled", &score.spearman_pooled);
        note.estimate("spearman_within", &score.spearman_within);
        note.value("kendall_pooled", score.kendall_pooled.err());
        note.estimate("kendall_within", &score.kendall_within);
        note.value("sign_consistency", score.sign_consistency.err());
        note.estimate("lead_time", &score.lead_time);
        note.estimate("gain_over_task_age", &score.gain_over_task_age);
        note.estimate("gain_over_online_accuracy", &score.gain_over_online_accuracy);
        Self {
            indicator: score.indicator.name.clone(),
            role: score.indicator.role.clone(),
            horizon: score.horizon,
            target: score.target.name().to_owned(),
            auroc,
            auroc_low,
            auroc_high,
            auroc_oriented,
            auroc_oriented_low,
            auroc_oriented_high,
            direction: score.direction.map_or("", Direction::name).to_owned(),
            average_precision,
            average_precision_low,
            average_precision_high,
            spearman_pooled,
            spearman_pooled_low,
            spearman_pooled_high,
            spearman_within,
            spearman_within_low,
            spearman_within_high,
            kendall_pooled: score.kendall_pooled.ok(),
            kendall_within,
            kendall_within_low,
            kendall_within_high,
            sign_consistency: score.sign_consistency.ok().as_ref().and_then(Share::value),
            sign_consistency_arms: score.sign_consistency.map_or(0, |share| share.whole),
            lead_time,
            lead_time_low,
            lead_time_high,
            lead_time_by_chance: score.lead_time_by_chance.ok(),
            lead_time_runs: score.lead_time.map_or(0, |lead| lead.n()),
            warned_share: score.warned.ok().as_ref().and_then(Share::value),
            gain_over_task_age,
            gain_over_task_age_low,
            gain_over_task_age_high,
            gain_over_online_accuracy,
            gain_over_online_accuracy_low,
            gain_over_online_accuracy_high,
            events: score.events,
            n: score.pairs,
            runs: score.runs,
            seeds: score.seeds,
            undefined_share: score.undefined.value(),
            reference: score.reference.map_or("", Reference::name).to_owned(),
            note: note.text(),
        }
    }
}

/// A line of `summary.csv`: one arm. See [`ArmSummary`] for the definitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each `_low` and `_high` is an end of the 95 % interval of the column before it")]
pub(crate) struct SummaryRow {
    /// The method's label.
    pub method: String,
    /// The schedule's label.
    pub schedule: String,
    /// Finished seeds.
    pub n: usize,
    /// Online accuracy over all tasks.
    pub mean_online_accuracy: Option<f64>,
    pub mean_online_accuracy_low: Option<f64>,
    pub mean_online_accuracy_high: Option<f64>,
    /// Online accuracy over the last quarter of the tasks.
    pub last_quarter_online_accuracy: Option<f64>,
    pub last_quarter_online_accuracy_low: Option<f64>,
    pub last_quarter_online_accuracy_high: Option<f64>,
    /// Online accuracy of the last task.
    pub last_task_online_accuracy: Option<f64>,
    pub last_task_online_accuracy_low: Option<f64>,
    pub last_task_online_accuracy_high: Option<f64>,
    /// Accuracy at a task's end on images that nobody trained on, over all tasks.
    pub mean_test_accuracy: Option<f64>,
    pub mean_test_accuracy_low: Option<f64>,
    pub mean_test_accuracy_high: Option<f64>,
    /// Least-squares change of online accuracy a task.
    pub slope: Option<f64>,
    pub slope_low: Option<f64>,
    pub slope_high: Option<f64>,
    /// Interquartile mean over seeds of the mean online accuracy.
    pub interquartile_mean: Option<f64>,
    pub interquartile_mean_low: Option<f64>,
    pub interquartile_mean_high: Option<f64>,
    /// Seeds in common with the same method's constant schedule.
    pub paired_seeds: usize,
    /// Probability of improvement over the same method's constant schedule.
    pub probability_of_improvement: Option<f64>,
    pub probability_of_improvement_low: Option<f64>,
    pub probability_of_improvement_high: Option<f64>,
    /// Mean paired difference in mean online accuracy to the same method's constant schedule.
    pub difference_to_constant: Option<f64>,
    pub difference_to_constant_low: Option<f64>,
    pub difference_to_constant_high: Option<f64>,
    /// Student's paired t test of this difference, two-sided.
    pub p_paired_t: Option<f64>,
    /// The same, corrected by Holm for all arms of the table that are tested.
    pub p_paired_t_holm: Option<f64>,
    /// Sign-flip permutation test of the difference.
    pub p_sign_flip: Option<f64>,
    /// The smallest value that the permutation test can have with so many seeds.
    pub p_sign_flip_floor: Option<f64>,
    /// Diverged seeds, which no other number counts.
    pub diverged: usize,
    /// Which of the numbers are undefined, and why.
    pub note: String,
}

impl From<&ArmSummary> for SummaryRow {
    fn from(summary: &ArmSummary) -> Self {
        let [mean_online_accuracy, mean_online_accuracy_low, mean_online_accuracy_high] = cells(&summary.mean_accuracy);
        let [last_quarter_online_accuracy, last_quarter_online_accuracy_low, last_quarter_online_accuracy_high] =
            cells(&summary.last_quarter_accuracy);
        let [last_task_online_accuracy, last_task_online_accuracy_low, last_task_online_accuracy_high] =
            cells(&summary.last_task_accuracy);
        let [mean_test_accuracy, mean_test_accuracy_low, mean_test_accuracy_high] = cells(&summary.mean_test_accuracy);
        let [slope, slope_low, slope_high] = cells(&summary.slope);
        let [interquartile_mean, interquartile_mean_low, interquartile_mean_high] = cells(&summary.interquartile_mean);
        let [probability_of_improvement, probability_of_improvement_low, probability_of_improvement_high] =
            cells(&summary.probability_of_improvement);
        let [difference_to_constant, difference_to_constant_low, difference_to_constant_high] =
            cells(&summary.difference_to_constant);
        let mut note = Note::default();
        note.estimate("mean_online_accuracy", &summary.mean_accuracy);
        note.estimate("last_quarter_online_accuracy", &summary.last_quarter_accuracy);
        note.estimate("last_task_online_accuracy", &summary.last_task_accuracy);
        // Most streams have none, and need no reason in every line.
        if summary.mean_test_accuracy.is_ok() {
            note.estimate("mean_test_accuracy", &summary.mean_test_accuracy);
        }
        note.estimate("slope", &summary.slope);
        note.estimate("interquartile_mean", &summary.interquartile_mean);
        note.estimate("probability_of_improvement", &summary.probability_of_improvement);
        note.estimate("difference_to_constant", &summary.difference_to_constant);
        note.value("p_paired_t", summary.p_paired_t.err());
        note.value("p_sign_flip", summary.p_sign_flip.err());
        Self {
            method: summary.arm.method.clone(),
            schedule: summary.arm.schedule.clone(),
            n: summary.seeds,
            mean_online_accuracy,
            mean_online_accuracy_low,
            mean_online_accuracy_high,
            last_quarter_online_accuracy,
            last_quarter_online_accuracy_low,
            last_quarter_online_accuracy_high,
            last_task_online_accuracy,
            last_task_online_accuracy_low,
            last_task_online_accuracy_high,
            mean_test_accuracy,
            mean_test_accuracy_low,
            mean_test_accuracy_high,
            slope,
            slope_low,
            slope_high,
            interquartile_mean,
            interquartile_mean_low,
            interquartile_mean_high,
            paired_seeds: summary.difference_to_constant.map_or(0, |difference| difference.n()),
            probability_of_improvement,
            probability_of_improvement_low,
            probability_of_improvement_high,
            difference_to_constant,
            difference_to_constant_low,
            difference_to_constant_high,
            p_paired_t: summary.p_paired_t.ok(),
            p_paired_t_holm: summary.p_paired_t_holm.ok(),
            p_sign_flip: summary.p_sign_flip.ok(),
            p_sign_flip_floor: summary
                .p_sign_flip
                .and(summary.difference_to_constant)
                .ok()
                .map(|d| sign_flip_floor(d.n())),
            diverged: summary.diverged,
            note: note.text(),
        }
    }
}

/// Collects the reasons of undefined numbers, and the columns that share each.
#[derive(Debug, Default)]
struct Note {
    reasons: Vec<(Undefined, Vec<String>)>,
}

impl Note {
    fn estimate(&mut self, column: &str, estimate: &Result<Estimate, Undefined>) {
        match estimate {
            Ok(estimate) => self.value(&format!("interval of {column}"), estimate.interval().err()),
            Err(reason) => self.value(column, Some(*reason)),
        }
    }

    fn value(&mut self, column: &str, reason: Option<Undefined>) {
        let Some(reason) = reason else { return };
        match self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, columns)) => columns.push(column.to_owned()),
            None => self.reasons.push((reason, vec![column.to_owned()])),
        }
    }

    /// Like `auroc, average_precision: no loss-of-trainability event; interval of slope: ...`.
    fn text(&self) -> String {
        let sentence = |(reason, columns): &(Undefined, Vec<String>)| format!("{}: {reason}", columns.join(", "));
        self.reasons.iter().map(sentence).collect::<Vec<_>>().join("; ")
    }
}
