//! The report's tables: what each arm achieved, what its schedule did for it, and how well each indicator foretells.

use std::collections::BTreeMap;

use trainability_baselines::indicator::Role;

use super::evidence::{CEILING, CONTROL, Evidence, role_name};
use super::figures::axis::plain;
use super::table::Table;
use crate::analysis::outcomes::Reference;
use crate::analysis::predictiveness::ranked;
use crate::analysis::{Arm, Estimate, Undefined};
use crate::probe::catalogue::catalogue;

/// Tasks looked ahead in the table and the figure; `predictiveness.csv` has all horizons.
pub const HORIZON: usize = 1;

/// Every table of the report, in its order.
pub fn all(evidence: &Evidence) -> Vec<Table> {
    vec![accuracy(evidence), gains(evidence), predictiveness(evidence)]
}

/// Online accuracy of every arm.
pub fn accuracy(evidence: &Evidence) -> Table {
    let note = "Online accuracy, mean over seeds with 95 % bootstrap interval over seeds; n is the number of finished \
                seeds. The last quarter is that of the tasks, rounded up. [none] stands where there is no interval; \
                the note in summary.csv says why.";
    let headings = ["method", "schedule", "#n", "#all tasks", "#last quarter", "#last task"];
    let mut table = Table::new("Accuracy by arm", note, &headings);
    for summary in &evidence.summaries {
        let cells = vec![
            summary.arm.method.clone(),
            summary.arm.schedule.clone(),
            summary.seeds.to_string(),
            share(&summary.mean_accuracy),
            share(&summary.last_quarter_accuracy),
            share(&summary.last_task_accuracy),
        ];
        table.push(cells, summary.arm.method == CEILING);
    }
    table
}

/// What the schedules did, and what came of it against the same method's constant schedule.
pub fn gains(evidence: &Evidence) -> Table {
    let note = "Gain is the mean difference in online accuracy over all tasks to the same method and seed under the \
                constant schedule, negative where the schedule does harm. P(better) is the probability that a run of \
                the arm beats one of its control, 0.5 where they are alike. Brackets are 95 % bootstrap intervals \
                over the n seeds that both have. Cooled, warmed and held count the decisions of all layers and runs; \
                a schedule that goes by the clock takes none. A schedule that never fired has no gain: its arm is the \
                control once more.";
    let headings = ["method", "schedule", "#n", "#gain", "#P(better)", "#cooled", "#warmed", "#held"];
    let mut table = Table::new("Gain over the constant schedule", note, &headings);
    for summary in evidence.summaries.iter().filter(|summary| summary.arm.schedule != CONTROL) {
        let mut events = [0; 3];
        let runs = evidence.arm(&summary.arm.method, &summary.arm.schedule);
        let decides = runs.iter().any(|run| run.record.as_ref().is_some_and(|record| record.scheduled));
        for run in runs {
            for layer in run.record.iter().flat_map(|record| &record.events) {
                let counts = [layer.cooled, layer.warmed, layer.held];
                events.iter_mut().zip(counts).for_each(|(sum, count)| *sum = u64::saturating_add(*sum, count));
            }
        }
        let n = summary.difference_to_constant.map_or(0, |gain| gain.n());
        let (gain, better) = if idle_arm(evidence, &summary.arm) {
            ("never fired".into(), "–".into())
        } else {
            (signed(&summary.difference_to_constant), coarse(&summary.probability_of_improvement))
        };
        let mut cells = vec![summary.arm.method.clone(), summary.arm.schedule.clone(), n.to_string(), gain, better];
        cells.extend(events.map(|count| if decides { plain(count as f64, 0) } else { "–".into() }));
        table.push(cells, false);
    }
    table
}

/// Whether the arm's schedule fired in none of its runs.
fn idle_arm(evidence: &Evidence, arm: &Arm) -> bool {
    let runs = evidence.arm(&arm.method, &arm.schedule);
    !runs.is_empty() && runs.iter().all(|run| run.record.as_ref().is_some_and(|record| record.never_fired()))
}

/// Every indicator's power to foretell, best first, the trivial predictors as references.
pub fn predictiveness(evidence: &Evidence) -> Table {
    let scores = ranked(&evidence.scores, HORIZON);
    let reference = scores.iter().find_map(|score| score.reference);
    let events = scores.iter().map(|score| score.events).max().unwrap_or(0);
    let runs = scores.iter().map(|score| score.runs).max().unwrap_or(0);
    let note = format!(
        "Each indicator at a task against the next task. AUROC is for the event {}, which happened at {} of the pairs; \
         0.5 is chance. The alarm is the direction, high or low values, in which the indicator announces the event best; \
         choosing it on the same data flatters weak indicators. Brackets are 95 % bootstrap intervals over seeds. Spearman's \
         correlation is with the next task's accuracy, over the pairs of all runs together, and within runs and then \
         averaged. n counts task pairs, of up to {runs} runs, and undef. is the share of pairs in which the indicator \
         is undefined; the tasks of a run are not independent. Trivial predictors are what any indicator has to beat.",
        reference_text(reference),
        plain(events as f64, 0),
    );
    let headings = ["indicator", "role", "alarm", "#AUROC", "#Spearman\npooled", "#Spearman\nwithin", "#n", "#undef."];
    let mut table = Table::new("Predictiveness at horizon 1", &note, &headings);
    let titles: BTreeMap<_, _> =
        catalogue().into_iter().map(|definition| (definition.name, definition.title)).collect();
    for score in scores {
        let name = score.indicator.name.as_str();
        let undefined = score.undefined.value().map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
        let cells = vec![
            (*titles.get(name).unwrap_or(&name)).to_owned(),
            score.indicator.role.clone(),
            score.direction.map_or("–", |direction| direction.name()).to_owned(),
            coarse(&score.auroc_oriented()),
            correlation(&score.spearman_pooled),
            correlation(&score.spearman_within),
            plain(score.pairs as f64, 0),
            undefined,
        ];
        table.push(cells, score.indicator.role == role_name(Role::Trivial));
    }
    table
}

/// What the loss of trainability is measured against, in words.
pub fn reference_text(reference: Option<Reference>) -> &'static str {
    match reference {
        Some(Reference::Reset) => "accuracy more than 10 % below the reset arm's on the same task and seed",
        Some(Reference::FirstTask) => "accuracy more than 10 % below the run's own first task (there is no reset arm)",
        Some(Reference::Mixed) => {
            "accuracy more than 10 % below the reset arm's, or the run's own first task where there is no reset run"
        }
        None => "accuracy more than 10 % below the reference",
    }
}

fn share(estimate: &Result<Estimate, Undefined>) -> String {
    cell(estimate, |value| format!("{value:.3}"))
}

fn coarse(estimate: &Result<Estimate, Undefined>) -> String {
    cell(estimate, |value| format!("{value:.2}"))
}

fn signed(estimate: &Result<Estimate, Undefined>) -> String {
    cell(estimate, |value| format!("{value:+.3}").replace('-', "−"))
}

fn correlation(estimate: &Result<Estimate, Undefined>) -> String {
    estimate.map_or("–".into(), |estimate| format!("{:+.2}", estimate.point()).replace('-', "−"))
}

/// A point with its interval; a dash where there is no number, and none in place of an interval that does not exist.
fn cell(estimate: &Result<Estimate, Undefined>, number: impl Fn(f64) -> String) -> String {
    let Ok(estimate) = estimate else { return "–".into() };
    match estimate.interval() {
        Ok(interval) => {
            format!("{} [{}, {}]", number(estimate.point()), number(interval.low), number(interval.high))
        }
        Err(_) => format!("{} [none]", number(estimate.point())),
    }
}
