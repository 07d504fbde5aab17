//! The report's tables: what each arm achieved, what its schedule did for it, and how well each indicator foretells.

use trainability_record::glossary::IndicatorRole;
use trainability_stats::paired_tests::sign_flip_floor;
use trainability_stats::{Estimate, Share, Undefined};

use crate::evidence::Evidence;
use crate::evidence::claims::claim::LEVEL;
use crate::evidence::health::Judged;
use crate::evidence::method_ranks::{MethodRanks, milliseconds_an_update};
use crate::evidence::onset::{COLLAPSE, LOSS};
use crate::evidence::ordering::Ordering;
use crate::evidence::outcomes::Reference;
use crate::evidence::predictiveness::ranked;
use crate::plot::axis::{plain, short};
use crate::series::{Arm, CONTROL};
use crate::views::claims;
use crate::views::table::{Table, cell, p_value};
use crate::wording::counted;

/// Tasks looked ahead in the table and the figure; `predictiveness.csv` has all horizons.
pub(crate) const HORIZON: usize = 1;

/// The first of the two tables that have a row an arm.
pub(crate) const BY_ARM: &str = "Accuracy by arm";
/// The last of the pooled tables.
pub(crate) const WARNING: &str = "Pooled over arms: warning, and gain over what costs nothing";

/// Every table of the report, in its order.
pub(crate) fn all(evidence: &Evidence) -> Vec<Table> {
    let mut tables = vec![claims::verdicts(evidence)];
    if !evidence.ordering.is_empty() {
        tables.extend([ordering(evidence), companions(evidence)]);
    }
    tables.extend([accuracy(evidence), gains(evidence)]);
    tables.extend(side_by_side(evidence));
    if !evidence.onsets.is_empty() {
        tables.push(onsets(evidence));
    }
    if evidence.compared_schedules.len() > 1 {
        tables.push(schedules(evidence));
    }
    if !evidence.rounding.is_empty() {
        tables.push(rounding(evidence));
    }
    tables.extend([predictiveness(evidence), warning_and_gain(evidence)]);
    tables
}

/// Online accuracy of every arm.
pub(crate) fn accuracy(evidence: &Evidence) -> Table {
    let note = "Online accuracy, mean over seeds with 95 % jackknife interval over seeds; n is the number of finished \
                seeds. The last quarter is that of the tasks, rounded up. [none] stands where there is no interval; \
                the note in summary.csv says why.";
    let tested = evidence.summaries.iter().any(|summary| summary.mean_test_accuracy.is_ok());
    let on_test = "Test is the accuracy at a task's end on images that nobody trained on, mean over all tasks.";
    let note = if tested { format!("{note} {on_test}") } else { note.to_owned() };
    let mut headings = vec!["method", "schedule", "#n", "#all tasks", "#last quarter", "#last task"];
    headings.extend(tested.then_some("#test"));
    let mut table = Table::new(BY_ARM, &note, &headings);
    for summary in &evidence.summaries {
        let mut cells = vec![
            summary.arm.method.clone(),
            summary.arm.schedule.clone(),
            summary.seeds.to_string(),
            share(&summary.mean_accuracy),
            share(&summary.last_quarter_accuracy),
            share(&summary.last_task_accuracy),
        ];
        cells.extend(tested.then(|| share(&summary.mean_test_accuracy)));
        table.push(cells, evidence.is_ceiling(&summary.arm.method));
    }
    table
}

/// A row a method: accuracy, rank and cost under the control schedule, and what the others add to it.
fn side_by_side(evidence: &Evidence) -> Option<Table> {
    let ranks = evidence.method_ranks.as_ref()?;
    let MethodRanks { schedule: control, seeds, p, critical_difference, .. } = ranks;
    let note = format!(
        "Under {control}: mean online accuracy over all tasks and over the last quarter, with 95 % jackknife intervals over seeds; \
         the mean rank over the {} that all share, 1 being the best, ceilings left out. Two methods whose ranks are further apart \
         than {critical_difference:.1} differ (Nemenyi's test at 5 % over all pairs); no difference at all has p = {p:.4} \
         (Friedman's statistic, ranks shuffled). Milliseconds are those of an update without measurements, the least of the method's \
         runs, which shared the machine. Then the mean gain over {control} on the same seeds, schedule by schedule.",
        counted(*seeds, "seed"),
    );
    let others: Vec<&String> = evidence.schedules.iter().filter(|schedule| *schedule != control).collect();
    let gains: Vec<String> = others.iter().map(|schedule| format!("#{schedule}")).collect();
    let mut headings = vec!["method", "#n", "#all tasks", "#last quarter", "#rank", "#ms"];
    headings.extend(gains.iter().map(String::as_str));
    let mut table = Table::new("Methods side by side", &note, &headings);
    let summary = |method: &str, schedule: &str| {
        evidence.summaries.iter().find(|summary| summary.arm.method == method && summary.arm.schedule == schedule)
    };
    let unranked = evidence.methods.iter().filter(|method| ranks.rank(method).is_none());
    for method in ranks.methods.iter().map(|(method, _)| method).chain(unranked) {
        let Some(own) = summary(method, control) else { continue };
        let milliseconds = milliseconds_an_update(&evidence.arm(method, control));
        let mut cells = vec![
            method.clone(),
            own.seeds.to_string(),
            share(&own.mean_accuracy),
            share(&own.last_quarter_accuracy),
            ranks.rank(method).map_or("–".into(), |rank| format!("{rank:.1}")),
            milliseconds.map_or("–".into(), |milliseconds| format!("{milliseconds:.2}")),
        ];
        let gain = |schedule: &&String| match summary(method, schedule) {
            Some(summary) if idle_arm(evidence, &summary.arm) => "never fired".into(),
            Some(summary) => coarse_gain(&summary.gain.difference),
            None => "–".into(),
        };
        cells.extend(others.iter().map(gain));
        table.push(cells, evidence.is_ceiling(method));
    }
    Some(table)
}

/// A difference without its interval, which stands in the table of gains.
fn coarse_gain(difference: &Result<Estimate, Undefined>) -> String {
    difference.map_or("–".into(), |gain| format!("{:+.3}", gain.point()).replace('-', "−"))
}

/// When trainability is lost, arm by arm.
fn onsets(evidence: &Evidence) -> Table {
    let note = format!(
        "The first of two tasks in a row in which the accuracy is below {LOSS} (loss) and below {COLLAPSE} (collapse) of the \
         ceiling, both above chance: the accuracy of fresh networks of the same method, or of the first task at its constant rate. \
         In so many of the runs, at which task: the median over these, and the earliest to the latest. Described, and no endpoint."
    );
    let headings = ["method", "schedule", "#ceiling", "#loss", "#at task", "#collapse", "#at task"];
    let mut table = Table::new("When trainability is lost", &note, &headings);
    for summary in &evidence.summaries {
        let Some(onset) = evidence.onset(&summary.arm) else { continue };
        let mut cells = vec![onset.arm.method.clone(), onset.arm.schedule.clone(), format!("{:.3}", onset.ceiling)];
        for first in [&onset.loss, &onset.collapse] {
            let Share { part, whole } = first.runs;
            cells.push(format!("{part} of {whole}"));
            let ends = first.tasks.first().zip(first.tasks.last());
            cells.push(first.median().zip(ends).map_or("–".into(), |(median, (first, last))| {
                if first == last { median.to_string() } else { format!("{median} ({first} to {last})") }
            }));
        }
        table.push(cells, false);
    }
    table
}

/// How far rounding alone moves a run.
fn rounding(evidence: &Evidence) -> Table {
    let note = "Replicates are runs of the same seed, labels and order in which the last bit of one weight of each layer is changed \
                at the start: what moves them apart is rounding alone. Standard deviations of mean online accuracy over all tasks, \
                among the replicates of a seed and among seeds. Replicates enter no other table.";
    let headings = ["method", "schedule", "#seeds", "#runs", "#by rounding", "#by seed"];
    let mut table = Table::new("What rounding alone does", note, &headings);
    let number = |value: Result<f64, Undefined>| value.map_or("–".into(), |value| format!("{value:.4}"));
    for line in &evidence.rounding {
        let cells = vec![
            line.arm.method.clone(),
            line.arm.schedule.clone(),
            line.seeds.to_string(),
            line.runs.to_string(),
            number(line.by_rounding),
            number(line.by_seed),
        ];
        table.push(cells, false);
    }
    table
}

/// What the schedules did, and what came of it against the same method's constant schedule.
pub(crate) fn gains(evidence: &Evidence) -> Table {
    let note = "Gain is the mean difference in online accuracy over all tasks to the same method and seed under the \
                constant schedule, negative where the schedule does harm. P(better) is the probability that a run of \
                the arm beats one of its control, 0.5 where they are alike. Brackets are 95 % jackknife intervals \
                 over the n seeds that both have. p is Student's paired t test over these seeds, corrected by Holm for \
                 all arms; summary.csv has the exact sign-flip test too, which cannot be below 0.05 for fewer than six \
                 seeds. Cooled, warmed and held count the decisions of all layers and runs; a schedule that goes by the \
                 clock takes none. A schedule that never fired has no gain: its arm is the control once more.";
    let headings = ["method", "schedule", "#n", "#gain", "#P(better)", "#p", "#cooled", "#warmed", "#held"];
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
        let n = summary.gain.difference.map_or(0, |gain| gain.n());
        let (gain, better, p) = if idle_arm(evidence, &summary.arm) {
            ("never fired".into(), "–".into(), "–".into())
        } else {
            let better = coarse(&summary.gain.improvement);
            (signed(&summary.gain.difference), better, p_value(&summary.gain.p_paired_t_holm))
        };
        let mut cells = vec![summary.arm.method.clone(), summary.arm.schedule.clone(), n.to_string(), gain, better, p];
        cells.extend(events.map(|count| if decides { plain(count as f64, 0) } else { "–".into() }));
        table.push(cells, false);
    }
    table
}

/// Every schedule over all methods that all schedules were run with.
pub(crate) fn schedules(evidence: &Evidence) -> Table {
    let methods = evidence.compared_schedules.first().map_or_else(String::new, |summary| summary.methods.join(", "));
    let note = format!(
        "Over {methods}. IQM is the interquartile mean of the runs' mean online accuracy; n is the number of \
         runs. Gain is the mean paired difference to the constant schedule and P(better) \
         the mean over methods of the probability of improvement; both, and \
         the tests, rest on the seeds that all share. p is Student's paired t test over seeds corrected by Holm, p \
         (flip) the exact sign-flip test, which for {}",
        floor_text(evidence),
    );
    let headings = ["schedule", "#n", "#IQM", "#gain", "#P(better)", "#p", "#p (flip)"];
    let mut table = Table::new("Schedules over all methods", &note, &headings);
    for summary in &evidence.compared_schedules {
        let cells = vec![
            summary.schedule.clone(),
            summary.runs.to_string(),
            share(&summary.interquartile_mean),
            signed(&summary.gain.difference),
            coarse(&summary.gain.improvement),
            p_value(&summary.gain.p_paired_t_holm),
            p_value(&summary.gain.p_sign_flip),
        ];
        table.push(cells, summary.schedule == CONTROL);
    }
    table
}

/// What the exact test can show with the sweep's seeds.
fn floor_text(evidence: &Evidence) -> String {
    let seeds = evidence.compared_schedules.iter().filter_map(|summary| summary.gain.difference.ok());
    let seeds = seeds.map(|gain| gain.n()).max().unwrap_or(0);
    if seeds == 0 {
        return "no shared seeds has no value.".into();
    }
    let floor = sign_flip_floor(seeds);
    let verdict = if floor > LEVEL { "and so can call nothing significant" } else { "at the least" };
    format!("{} cannot be below {}, {verdict}.", counted(seeds, "seed"), short(floor))
}

/// Whether the arm's schedule fired in none of its runs.
fn idle_arm(evidence: &Evidence, arm: &Arm) -> bool {
    let runs = evidence.arm(&arm.method, &arm.schedule);
    !runs.is_empty() && runs.iter().all(|run| run.record.as_ref().is_some_and(|record| record.never_fired()))
}

/// Whether each indicator orders seeds of an arm by how they will fare, and whether it adds to present health: those that do first.
pub(crate) fn ordering(evidence: &Evidence) -> Table {
    let Judged { left_out, own_ceilings, families } = &evidence.judged;
    let seeds = evidence.ordering.iter().filter_map(|score| score.concordance.ok()).map(|score| score.n()).max();
    let mut detectable: Vec<f64> = evidence.ordering.iter().filter_map(|score| score.detectable.ok()).collect();
    detectable.sort_by(f64::total_cmp);
    let mut note = format!(
        "Two seeds of one arm at the same task: does the indicator say which will fare better on the next? Concordance is how \
         often it does, pairs counting by how far apart they come out; 0.5 is chance, and age, method and rate cannot help. \
         Added is how much oftener than the runs' present accuracy lets expect. Brackets are 95 % jackknife intervals over \
         {} seeds, p is corrected (Benjamini and Hochberg) over all rows. What orders significantly orders; what also adds \
         predicts. The direction is learnt from the other families of methods ({}); a wrong sign means that it does not \
         transfer. Good says in how many families high values are read as good, theory what the concordance is in theory's \
         direction. Arms at constant rates, each against its own ceiling: fresh runs of that very method for {} of {} arms, and the arm's first task for the others.",
        seeds.unwrap_or(0),
        families.join(", "),
        own_ceilings.part,
        own_ceilings.whole,
    );
    if let Some(half_of_them) = detectable.get(detectable.len() / 2) {
        note.push_str(&format!(
            " For half of the indicators so many seeds find a distance from 0.5 of {half_of_them:.2} in four cases of five, \
             before correction."
        ));
    }
    if !left_out.is_empty() {
        let arms: Vec<String> = left_out.iter().map(ToString::to_string).collect();
        note.push_str(&format!(" Left out, as they cannot learn in this setting: {}.", arms.join(", ")));
    }
    let headings = ["indicator", "verdict", "#concordance", "#p", "#added", "#p added", "#good", "#theory", "#ties"];
    let mut table = Table::new("Which indicator orders, and which predicts", &note, &headings);
    for score in best_first(evidence) {
        let Share { part, whole } = score.high_is_good;
        let cells = vec![
            score.indicator.title.clone(),
            score.power().name().to_owned(),
            coarse(&score.concordance),
            p_value(&score.p_corrected),
            cell(&score.added, |value| format!("{value:+.2}").replace('-', "−")),
            p_value(&score.p_added_corrected),
            if whole == 0 { "–".into() } else { format!("{part}/{whole}") },
            score.by_theory.and_then(Result::ok).map_or("–".into(), |theory| format!("{:.2}", theory.point())),
            score.tied.map_or("–".into(), |tied| format!("{:.0} %", 100.0 * tied)),
        ];
        table.push(cells, score.indicator.role == IndicatorRole::Trivial);
    }
    table
}

/// The scores of all indicators: what predicts, then what orders, and so on, the highest concordance first.
fn best_first(evidence: &Evidence) -> Vec<&Ordering> {
    let mut scores: Vec<&Ordering> = evidence.ordering.iter().collect();
    let rank = |score: &Ordering| (score.power() as u8, score.concordance.map_or(1.0, |estimate| -estimate.point()));
    scores.sort_by(|one, other| rank(one).partial_cmp(&rank(other)).unwrap_or(std::cmp::Ordering::Equal));
    scores
}

/// The matched concordance beside others that it might have been.
fn companions(evidence: &Evidence) -> Table {
    let note = "None of these is tested. Families: the mean over families of methods, each with equal weight. 3 and 5 ahead: tasks \
                looked ahead, where the first column looks one ahead. Far: pairs that come out at least .05 of (ceiling - chance) apart. \
                Near: pairs within .02 of each other now. Collapse: which of the two will have collapsed. Not matched: rows of one arm \
                whatever their tasks and seeds, where age helps, as task age's own value shows. Reacting: the same as the first column, in the \
                arms whose schedule reacts to what is measured; they are not judged. ordering.csv has the intervals.";
    let headings = [
        "indicator",
        "#next task",
        "#families",
        "#3 ahead",
        "#5 ahead",
        "#far",
        "#near",
        "#collapse",
        "#not\nmatched",
        "#reacting",
    ];
    let mut table = Table::new("The concordance, counted otherwise", note, &headings);
    for score in best_first(evidence) {
        let companions = score.companions.iter().map(|(_, estimate)| estimate);
        let point = |estimate: &Result<Estimate, Undefined>| {
            estimate.map_or("–".into(), |estimate| format!("{:.2}", estimate.point()))
        };
        let estimates = [&score.concordance, &score.by_family].into_iter().chain(companions);
        let cells = [score.indicator.title.clone()].into_iter().chain(estimates.map(point)).collect();
        table.push(cells, score.indicator.role == IndicatorRole::Trivial);
    }
    table
}

/// Every indicator's power to foretell, best first, the trivial predictors as references.
pub(crate) fn predictiveness(evidence: &Evidence) -> Table {
    let scores = ranked(&evidence.scores, HORIZON);
    let reference = scores.iter().find_map(|score| score.reference);
    let events = scores.iter().map(|score| score.events).max().unwrap_or(0);
    let runs = scores.iter().map(|score| score.runs).max().unwrap_or(0);
    let note = format!(
        "Between arms: all runs together, so that an indicator scores here by telling methods, rates or ages apart, \
         too. AUROC is for the event {}, which happened at {} of the pairs; 0.5 is chance. The alarm is the direction, high or low values, in which the indicator announces the event best; \
         choosing it on the same data flatters weak indicators. Brackets are 95 % jackknife intervals over seeds. Spearman's \
         correlation is with the next task's accuracy, over the pairs of all runs together, and within runs and then \
         averaged. n counts task pairs, of up to {runs} runs, and undef. is the share of pairs in which the indicator \
         is undefined; the tasks of a run are not independent. Trivial predictors are what any indicator has to beat.",
        reference_text(reference),
        plain(events as f64, 0),
    );
    let headings = ["indicator", "role", "alarm", "#AUROC", "#Spearman\npooled", "#Spearman\nwithin", "#n", "#undef."];
    let mut table = Table::new("Pooled over arms: who will lose trainability at the next task", &note, &headings);
    for score in scores {
        let undefined = score.undefined.value().map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
        let cells = vec![
            score.indicator.title.clone(),
            score.indicator.role.name().to_owned(),
            score.direction.map_or("–", |direction| direction.name()).to_owned(),
            coarse(&score.auroc_oriented()),
            correlation(&score.spearman_pooled),
            correlation(&score.spearman_within),
            plain(score.pairs as f64, 0),
            undefined,
        ];
        table.push(cells, score.is_trivial());
    }
    table
}

/// How early every indicator warns, and what it adds to the trivial predictors, in the order of [`predictiveness`].
pub(crate) fn warning_and_gain(evidence: &Evidence) -> Table {
    let scores = ranked(&evidence.scores, HORIZON);
    let runs = scores.iter().filter_map(|score| score.lead_time.ok()).map(|lead| lead.n()).max().unwrap_or(0);
    let chance = scores.iter().filter_map(|score| score.lead_time_by_chance.ok()).next();
    let chance = chance.map_or("–".into(), |lead| plain(lead, 1));
    let pairs = scores.iter().map(|score| score.pairs).max().unwrap_or(0);
    let events = scores.iter().map(|score| score.events).max().unwrap_or(0);
    let note = format!(
        "AP is average precision in the direction of the alarm; chance is the share of events, {}. Signs are the \
         configurations in which the correlation within runs has the pooled sign. Lead is the mean number of tasks \
         from the first alarm to a run's first loss of trainability, at the laxest threshold that alarms at no more \
         than 10 % of the tasks without one, over up to {runs} runs, those not warned counting 0; alarms tossed with \
         a chance of 10 % lead by {chance}. Gain is what the indicator adds to task age, or to online accuracy, in a \
         logistic model that has not seen the family of methods it is asked about: the fall of the log-loss in \
         thousandths of a nat a pair, over up to {} pairs. Brackets are 95 % jackknife intervals over seeds.",
        share_of(events, pairs),
        plain(pairs as f64, 0),
    );
    let headings =
        ["indicator", "#AP", "#signs", "#lead in tasks", "#gain over\ntask age", "#gain over\nonline accuracy"];
    let mut table = Table::new(WARNING, &note, &headings);
    for score in scores {
        let signs = score.sign_consistency.map_or("–".into(), |share| format!("{}/{}", share.part, share.whole));
        let cells = vec![
            score.indicator.title.clone(),
            score.average_precision.map_or("–".into(), |precision| format!("{:.2}", precision.point())),
            signs,
            cell(&score.lead_time, |value| format!("{value:.1}")),
            thousandths(&score.gain_over_task_age),
            thousandths(&score.gain_over_online_accuracy),
        ];
        table.push(cells, score.is_trivial());
    }
    table
}

fn share_of(part: usize, whole: usize) -> String {
    if whole == 0 { "–".into() } else { format!("{:.2}", part as f64 / whole as f64) }
}

fn thousandths(gain: &Result<Estimate, Undefined>) -> String {
    let rounded = |value: f64| match plain(1000.0 * value, 0) {
        text if text == "0" || text.starts_with('−') => text,
        text => format!("+{text}"),
    };
    cell(gain, rounded)
}

/// What the loss of trainability is measured against, in words.
pub(crate) fn reference_text(reference: Option<Reference>) -> &'static str {
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

pub(crate) fn coarse(estimate: &Result<Estimate, Undefined>) -> String {
    cell(estimate, |value| format!("{value:.2}"))
}

fn signed(estimate: &Result<Estimate, Undefined>) -> String {
    cell(estimate, |value| format!("{value:+.3}").replace('-', "−"))
}

fn correlation(estimate: &Result<Estimate, Undefined>) -> String {
    estimate.map_or("–".into(), |estimate| format!("{:+.2}", estimate.point()).replace('-', "−"))
}
