//! The lines of the report's CSV files as they are read back: every column by name and type, in its order.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::evidence::rows::CsvLine;
use crate::writers::files::csv_bytes;

/// Lines as their file has them.
pub(super) fn read<Row: DeserializeOwned>(lines: &[CsvLine]) -> Vec<Row> {
    let bytes = csv_bytes(lines).unwrap();
    csv::Reader::from_reader(&bytes[..]).deserialize().collect::<Result<_, _>>().unwrap()
}

/// A line of `predictiveness.csv`: one indicator at one horizon.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PredictivenessRow {
    /// The indicator's column in `tasks.csv`.
    pub(super) indicator: String,
    /// Its part in the argument.
    pub(super) role: String,
    /// Tasks looked ahead.
    pub(super) horizon: usize,
    /// `window_mean` or `endpoint`.
    pub(super) target: String,
    /// AUROC for the event, high values announcing it.
    pub(super) auroc: Option<f64>,
    pub(super) auroc_low: Option<f64>,
    pub(super) auroc_high: Option<f64>,
    /// AUROC in the direction chosen over all data: optimistic for a worthless indicator.
    pub(super) auroc_oriented: Option<f64>,
    pub(super) auroc_oriented_low: Option<f64>,
    pub(super) auroc_oriented_high: Option<f64>,
    /// `high` or `low`: the values that announce the event.
    pub(super) direction: String,
    /// Average precision in this direction; chance is `events / n`.
    pub(super) average_precision: Option<f64>,
    pub(super) average_precision_low: Option<f64>,
    pub(super) average_precision_high: Option<f64>,
    /// Spearman's correlation over the pairs of all runs.
    pub(super) spearman_pooled: Option<f64>,
    pub(super) spearman_pooled_low: Option<f64>,
    pub(super) spearman_pooled_high: Option<f64>,
    /// Spearman's correlation within a run, averaged over runs.
    pub(super) spearman_within: Option<f64>,
    pub(super) spearman_within_low: Option<f64>,
    pub(super) spearman_within_high: Option<f64>,
    /// Kendall's tau-b over the pairs of all runs.
    pub(super) kendall_pooled: Option<f64>,
    /// Kendall's tau-b within a run, averaged over runs.
    pub(super) kendall_within: Option<f64>,
    pub(super) kendall_within_low: Option<f64>,
    pub(super) kendall_within_high: Option<f64>,
    /// Share of the arms in which the correlation within runs has the pooled sign.
    pub(super) sign_consistency: Option<f64>,
    /// Arms that this share is taken over.
    pub(super) sign_consistency_arms: usize,
    /// Mean tasks from the first alarm to the first loss of trainability, at 10 % false alarms; a run not warned counts 0.
    pub(super) lead_time: Option<f64>,
    pub(super) lead_time_low: Option<f64>,
    pub(super) lead_time_high: Option<f64>,
    /// The same for alarms tossed with a chance of 10 %.
    pub(super) lead_time_by_chance: Option<f64>,
    /// Runs that lose trainability after their first task, which the three above count.
    pub(super) lead_time_runs: usize,
    /// Share of these runs that are warned before.
    pub(super) warned_share: Option<f64>,
    /// Fall of the log-loss, in nats a task pair, when the indicator joins `task_age`, on left-out configurations.
    pub(super) gain_over_task_age: Option<f64>,
    pub(super) gain_over_task_age_low: Option<f64>,
    pub(super) gain_over_task_age_high: Option<f64>,
    /// The same when it joins `online_accuracy`.
    pub(super) gain_over_online_accuracy: Option<f64>,
    pub(super) gain_over_online_accuracy_low: Option<f64>,
    pub(super) gain_over_online_accuracy_high: Option<f64>,
    /// Task pairs whose target is a loss-of-trainability event.
    pub(super) events: usize,
    /// Task pairs with indicator and outcome.
    pub(super) n: usize,
    /// Runs that these pairs come from, which are what the intervals rest on.
    pub(super) runs: usize,
    /// Different seeds among these runs.
    pub(super) seeds: usize,
    /// Share of the task pairs with outcome in which the indicator is undefined.
    pub(super) undefined_share: Option<f64>,
    /// `reset`, `first_task` or `mixed`: what the event is measured against.
    pub(super) reference: String,
    /// Which of the numbers are undefined, and why.
    pub(super) note: String,
}

/// A line of `summary.csv`: one arm.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SummaryRow {
    /// The method's label.
    pub(super) method: String,
    /// The schedule's label.
    pub(super) schedule: String,
    /// Finished seeds.
    pub(super) n: usize,
    /// Online accuracy over all tasks.
    pub(super) mean_online_accuracy: Option<f64>,
    pub(super) mean_online_accuracy_low: Option<f64>,
    pub(super) mean_online_accuracy_high: Option<f64>,
    /// Online accuracy over the last quarter of the tasks.
    pub(super) last_quarter_online_accuracy: Option<f64>,
    pub(super) last_quarter_online_accuracy_low: Option<f64>,
    pub(super) last_quarter_online_accuracy_high: Option<f64>,
    /// Online accuracy of the last task.
    pub(super) last_task_online_accuracy: Option<f64>,
    pub(super) last_task_online_accuracy_low: Option<f64>,
    pub(super) last_task_online_accuracy_high: Option<f64>,
    /// Accuracy at a task's end on images that nobody trained on, over all tasks.
    pub(super) mean_test_accuracy: Option<f64>,
    pub(super) mean_test_accuracy_low: Option<f64>,
    pub(super) mean_test_accuracy_high: Option<f64>,
    /// Least-squares change of online accuracy a task.
    pub(super) slope: Option<f64>,
    pub(super) slope_low: Option<f64>,
    pub(super) slope_high: Option<f64>,
    /// Interquartile mean over seeds of the mean online accuracy.
    pub(super) interquartile_mean: Option<f64>,
    pub(super) interquartile_mean_low: Option<f64>,
    pub(super) interquartile_mean_high: Option<f64>,
    /// Seeds in common with the same method's constant schedule.
    pub(super) paired_seeds: usize,
    /// Probability of improvement over the same method's constant schedule.
    pub(super) probability_of_improvement: Option<f64>,
    pub(super) probability_of_improvement_low: Option<f64>,
    pub(super) probability_of_improvement_high: Option<f64>,
    /// Mean paired difference in mean online accuracy to the same method's constant schedule.
    pub(super) difference_to_constant: Option<f64>,
    pub(super) difference_to_constant_low: Option<f64>,
    pub(super) difference_to_constant_high: Option<f64>,
    /// Student's paired t test of this difference, two-sided.
    pub(super) p_paired_t: Option<f64>,
    /// The same, corrected by Holm for all arms of the table that are tested.
    pub(super) p_paired_t_holm: Option<f64>,
    /// Sign-flip permutation test of the difference.
    pub(super) p_sign_flip: Option<f64>,
    /// The smallest value that the permutation test can have with so many seeds.
    pub(super) p_sign_flip_floor: Option<f64>,
    /// Diverged seeds, which no other number counts.
    pub(super) diverged: usize,
    /// The accuracy of fresh networks, or of first tasks, against which health is measured.
    pub(super) ceiling: Option<f64>,
    /// Runs whose health falls below .9 for two tasks in a row, and the median of the first of these tasks, counted from 1.
    pub(super) runs_with_loss: Option<usize>,
    pub(super) median_task_of_loss: Option<usize>,
    /// The same below .5.
    pub(super) runs_with_collapse: Option<usize>,
    pub(super) median_task_of_collapse: Option<usize>,
    /// Which of the numbers are undefined, and why.
    pub(super) note: String,
}

/// A line of `claims.csv`: a claim, or one of its findings.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClaimRow {
    /// The claim's letter.
    pub(super) claim: String,
    /// What the finding is about; empty for the claim itself.
    pub(super) subject: String,
    /// What it says.
    pub(super) verdict: String,
    /// How large it is.
    pub(super) effect: Option<f64>,
    pub(super) effect_low: Option<f64>,
    pub(super) effect_high: Option<f64>,
    /// Seeds.
    pub(super) n: usize,
    /// Two-sided p of the side on which it lies.
    pub(super) p: Option<f64>,
    /// The claim's, corrected over all claims.
    pub(super) p_corrected: Option<f64>,
    /// The smallest effect that so many seeds find.
    pub(super) detectable: Option<f64>,
    /// Seeds that an effect of .05 would take.
    pub(super) seeds_needed: Option<f64>,
    /// The finding that decides the claim.
    pub(super) about: String,
    /// What else there is to say.
    pub(super) note: String,
}
