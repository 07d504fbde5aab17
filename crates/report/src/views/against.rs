//! What a paper reports beside what the sweep has: tables, and what stands at their head.

use trainability_record::label::of_value;

use crate::evidence::against::comparison::{Missing, SideBySide, Standing};
use crate::evidence::against::matching::Difference;
use crate::evidence::against::paper::{Reported, ReportedAt};
use crate::evidence::against::{Against, OtherSetting};
use crate::views::table::{Table, cell};
use crate::wording::{counted, distinct};

/// What all of these tables' titles begin with.
const TITLE: &str = "Beside the paper: ";

/// Whether a table is one of these.
pub(crate) fn is_against(table: &Table) -> bool {
    table.title.starts_with(TITLE)
}

/// A table a quantity, layer by layer.
pub(crate) fn tables(against: &Against) -> Vec<Table> {
    let shown: Vec<&SideBySide> =
        against.comparisons.iter().filter(|comparison| is_shown(against, comparison)).collect();
    let quantity = |comparison: &&SideBySide| {
        let Reported { quantity, layer, .. } = against.report(comparison);
        let quantity = quantity.replace('_', " ");
        layer.as_ref().map_or(quantity.clone(), |layer| format!("{quantity} of {layer}"))
    };
    let of_quantity = |name: String| {
        let own: Vec<&SideBySide> = shown.iter().copied().filter(|comparison| quantity(comparison) == name).collect();
        table(against, &format!("{TITLE}{name}"), own)
    };
    let mut tables: Vec<Table> = distinct(shown.iter().map(quantity)).into_iter().map(of_quantity).collect();
    // How to read them is said once.
    if let Some(table) = tables.first_mut() {
        table.note = note(against);
    }
    tables
}

/// What a paper has of a setting that nobody ran is counted, and not listed.
fn is_shown(against: &Against, comparison: &SideBySide) -> bool {
    comparison.arm.is_some() || against.report(comparison).setting.is_empty()
}

fn table(against: &Against, title: &str, comparisons: Vec<&SideBySide>) -> Table {
    let is_of_layers = comparisons.iter().any(|comparison| against.report(comparison).layer.is_some());
    let when = if is_of_layers { "when" } else { "#task" };
    let headings = ["method", "schedule", when, "#paper", "#ours", "#n", "#off by", "in our spread"];
    let mut table = Table::new(title, "", &headings);
    // What is missing for one reason takes one row.
    let belong = |one: &&SideBySide, other: &&SideBySide| {
        matches!(one.standing, Standing::Missing(_))
            && (one.report, &one.arm, one.unfinished, &one.standing)
                == (other.report, &other.arm, other.unfinished, &other.standing)
    };
    for group in comparisons.chunk_by(belong) {
        let (first, last) = (group[0], group[group.len() - 1]);
        let report = against.report(first);
        let write = |value: f64| number(report, value);
        let apart = first.arm.as_ref().map_or(String::new(), |arm| apart(arm.apart.iter()));
        let schedule = [report.schedule.as_str(), apart.as_str()].into_iter().filter(|text| !text.is_empty());
        let cells = vec![
            format!("{} {:e}", method_of(report), report.learning_rate),
            schedule.collect::<Vec<_>>().join(", "),
            range(moment(first.moment), moment(last.moment)),
            range(write(first.paper), write(last.paper)),
            match &first.ours {
                Ok(ours) if first.unfinished => write(ours.point()),
                Ok(ours) => cell(&Ok(*ours), write),
                Err(_) => "–".into(),
            },
            first.ours.as_ref().map_or("–".into(), |ours| ours.n().to_string()),
            first.difference().map_or("–".into(), |difference| signed(report, difference)),
            standing(report, first),
        ];
        table.push(cells, false);
    }
    table
}

/// From the first to the last of several; what they share if they are alike.
fn range(first: String, last: String) -> String {
    if first == last { first } else { format!("{first}–{last}") }
}

/// The parts of a report's method.
pub(crate) fn method_of(report: &Reported) -> String {
    let names: Vec<&str> = report.method.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "relu".to_owned() } else { names.join("+") }
}

/// What tells an arm apart, in a line.
pub(crate) fn apart<'d>(differences: impl Iterator<Item = &'d Difference>) -> String {
    differences.map(|difference| difference.text.as_str()).collect::<Vec<_>>().join(", ")
}

fn moment(moment: ReportedAt) -> String {
    match moment {
        ReportedAt::Task(task) => task.to_string(),
        ReportedAt::Event(event) => format!("event {event}"),
        ReportedAt::Run => "whole run".to_owned(),
        ReportedAt::Updates(over, from, to) if from == to => format!("task {from}, {}", over.name()),
        ReportedAt::Updates(over, from, to) => format!("tasks {from}–{to}, {}", over.name()),
    }
}

/// Whether the difference is within what is allowed for, and how much that is; or why that is not known.
fn standing(report: &Reported, comparison: &SideBySide) -> String {
    let allowed = || {
        let allowed = comparison.spread.map_or(f64::NAN, |spread| spread + report.reading_error);
        format!("±{}", number(report, allowed))
    };
    match &comparison.standing {
        Standing::Within => format!("yes, {}", allowed()),
        Standing::Outside => format!("no, {}", allowed()),
        Standing::TooFewSeeds => match comparison.ours.as_ref().map_or(0, |ours| ours.n()) {
            1 => "one seed".to_owned(),
            seeds => format!("{seeds} seeds"),
        },
        Standing::Unfinished => "unfinished".to_owned(),
        Standing::Missing(missing) => match missing {
            Missing::NotRun => "not run".to_owned(),
            Missing::LeftOut => "left out by the filter".to_owned(),
            Missing::NotRecorded => "not recorded".to_owned(),
            Missing::Undefined => "undefined".to_owned(),
            Missing::NotReached { done, planned: Some(planned) } if done < planned => {
                format!("not reached: {done} of {} done", counted(*planned, "task"))
            }
            Missing::NotReached { done, .. } => format!("not reached: {} in all", counted(*done, "task")),
        },
    }
}

/// Shares with three decimals, everything else with three digits.
fn number(report: &Reported, value: f64) -> String {
    let size = value.abs();
    let text = match report.quantity.as_str() {
        "online_accuracy" | "final_accuracy" | "test_accuracy" | "rho" => format!("{value:.3}"),
        "cooled" | "warmed" if size < 1e15 => format!("{value:.0}"),
        _ if size == 0.0 => "0".to_owned(),
        _ if (1e-2..1e4).contains(&size) => {
            let digits = (2 - size.log10().floor() as i32).max(0) as usize;
            format!("{value:.digits$}")
        }
        _ => format!("{value:.2e}"),
    };
    text.replacen('-', "−", usize::from(value < 0.0))
}

fn signed(report: &Reported, value: f64) -> String {
    let text = number(report, value);
    if text.starts_with('−') { text } else { format!("+{text}") }
}

fn note(against: &Against) -> String {
    let seeds = against.paper.seeds;
    format!(
        "Arms are found by their options, not by their labels; the number after a method is the base rate. Ours is the mean over n \
         finished seeds with its 95 % interval, and off by is ours less the paper's. In our spread says whether that is within ±: the \
         distance within which the mean over {} of ours would lie in 95 % of cases (Student's t with n − 1 degrees times the seeds' \
         standard deviation times the root of 1/n + 1/{seeds}), plus what the reading of the paper's figure may be wrong by. With few \
         seeds it is wide, and a yes says little; below three seeds nothing is said. Begin and end of a task are the medians over the \
         first and the last fiftieth of its measured updates.",
        counted(seeds, "further seed")
    )
}

/// What stands at the head of the tables, a sentence or two each: the paper, the count, and where settings differ.
pub(crate) fn head(against: &Against) -> Vec<String> {
    let paper = &against.paper;
    let shown: Vec<&SideBySide> =
        against.comparisons.iter().filter(|comparison| is_shown(against, comparison)).collect();
    let count = |is: fn(&Standing) -> bool| shown.iter().filter(|comparison| is(&comparison.standing)).count();
    let within = count(|standing| *standing == Standing::Within);
    let outside = count(|standing| *standing == Standing::Outside);
    let untold = count(|standing| matches!(standing, Standing::TooFewSeeds | Standing::Unfinished));
    let not_run = count(|standing| *standing == Standing::Missing(Missing::NotRun));
    let missing = shown.len() - within - outside - untold - not_run;
    let counts = [
        (within, "within the spread of our seeds"),
        (outside, "beyond it"),
        (untold, "of fewer than three seeds or of unfinished runs"),
        (missing, "not reached or not recorded"),
        (not_run, "of arms that were not run"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let mut sentences = vec![
        format!("{}: {}. Source: {}.", paper.name, paper.title, paper.source),
        format!("{}: {}.", counted(shown.len(), "comparison"), counts.collect::<Vec<_>>().join(", ")),
    ];
    let told = |OtherSetting { key, ours, paper }: &OtherSetting| {
        format!("{key} is {}, the paper's {paper}", ours.join(" or "))
    };
    sentences.push(match &against.other_setting[..] {
        [] if shown.iter().all(|comparison| comparison.arm.is_none()) => {
            "No arm of these is among the runs.".to_owned()
        }
        [] => "Every option that is known of the paper's runs is the same in ours.".to_owned(),
        others => format!(
            "The setting is not the paper's, and the values are compared all the same: {}.",
            others.iter().map(told).collect::<Vec<_>>().join("; ")
        ),
    });
    let elsewhere: Vec<&SideBySide> =
        against.comparisons.iter().filter(|comparison| !is_shown(against, comparison)).collect();
    if !elsewhere.is_empty() {
        let settings = distinct(elsewhere.iter().flat_map(|comparison| {
            let setting = &against.report(comparison).setting;
            setting.iter().map(|(key, value)| format!("{key} = {}", of_value(value)))
        }));
        let values = counted(elsewhere.len(), "value");
        sentences.push(format!("Not listed: {values} of settings that were not run ({}).", settings.join(", ")));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::against::paper::Paper;

    #[test]
    fn numbers_have_the_digits_that_they_need() {
        let mut report = Paper::read("paper").unwrap().reports.remove(0);
        assert_eq!(
            [number(&report, 0.1236), signed(&report, -0.0494), signed(&report, 0.0)],
            ["0.124", "−0.049", "+0.000"]
        );
        report.quantity = "learning_rate".to_owned();
        let texts = [0.00054, 0.0123456, 1.19, 123.4, 2e7, 0.0].map(|value| number(&report, value));
        assert_eq!(texts, ["5.40e-4", "0.0123", "1.19", "123", "2.00e7", "0"]);
        assert_eq!(signed(&report, -0.00054), "−5.40e-4", "the exponent keeps its sign");
    }
}
