//! What the report says, and in which order.

use trainability_record::glossary::DescribedIndicator;
use trainability_record::label::of_value;

use crate::evidence::Evidence;
use crate::evidence::predictiveness::leading;
use crate::groups::Group;
use crate::results::RecordedRun;
use crate::setting::option;
use crate::views::document::{Block, Document};
use crate::views::figures::{self, Drawn};
use crate::views::table::Table;
use crate::views::tables::HORIZON;
use crate::views::{against, claims, glossary, group_tables, tables, unfinished};
use crate::wording::{counted, distinct, seeds};

/// Every table, in the report's order: the verdicts, what a paper has beside the sweep, what has not finished, and the others. A sweep
/// of which nothing has finished has no others.
pub(crate) fn tables(evidence: &Evidence, groups: &[Group]) -> Vec<Table> {
    let more = evidence.against.iter().flat_map(against::tables).chain(unfinished::table(evidence));
    if evidence.series.is_empty() {
        return more.collect();
    }
    let mut all = if groups.is_empty() { tables::all(evidence) } else { group_tables::tables(evidence, groups) };
    all.splice(1..1, more);
    all
}

/// Puts the report together.
pub(crate) fn document<'a>(
    evidence: &Evidence,
    warnings: &[String],
    tables: Vec<Table>,
    drawn: &'a [Drawn],
) -> Document<'a> {
    let opening = unfinished::nothing_has_finished(evidence);
    let told: Vec<String> =
        opening.into_iter().chain(evidence.slice.iter().cloned()).chain([scope(evidence)]).collect();
    let mut blocks = vec![Block::Paragraph(told.join(" "))];
    let (of_paper, tables): (Vec<Table>, Vec<Table>) = tables.into_iter().partition(against::is_against);
    let (beside, drawn): (Vec<&Drawn>, Vec<&Drawn>) =
        drawn.iter().partition(|drawn| drawn.figure.name == figures::AGAINST);
    let against = beside_the_paper(evidence, of_paper, beside);
    if evidence.series.is_empty() {
        blocks.extend(tables.into_iter().map(Block::Table));
        blocks.extend(drawn.into_iter().filter(|drawn| !drawn.pictures.is_empty()).map(Block::Figure));
        blocks.extend(against);
        blocks.extend(warned(warnings));
        blocks.extend([Block::Section("Provenance", "provenance"), provenance(evidence)]);
        return Document { title: title(evidence), blocks };
    }
    let mut tables = tables.into_iter();
    let headline = tables.next().unwrap_or_default();
    let note = headline.note.clone();
    blocks.push(Block::Headline(Table { note: String::new(), ..headline }));
    let (first, drawn): (Vec<&Drawn>, Vec<&Drawn>) =
        drawn.into_iter().partition(|drawn| drawn.figure.name == figures::AT_A_GLANCE);
    blocks.extend(first.into_iter().filter(|drawn| !drawn.pictures.is_empty()).map(Block::Figure));
    blocks.push(Block::Note(note));
    blocks.extend(warned(warnings));
    blocks.extend(against);
    blocks.push(Block::Section("Evidence", "evidence"));
    let (of_claims, drawn): (Vec<&Drawn>, Vec<&Drawn>) =
        drawn.into_iter().partition(|drawn| figures::OF_CLAIMS.contains(&drawn.figure.name));
    blocks.extend(of_claims.into_iter().filter(|drawn| !drawn.pictures.is_empty()).map(Block::Figure));
    blocks.push(Block::Table(claims::findings(evidence)));
    blocks.push(Block::Section("Tables", "tables"));
    blocks.extend(tables.map(Block::Table));
    blocks.push(Block::Paragraph(verdict(evidence)));
    blocks.push(Block::Section("Figures", "figures"));
    let (shown, absent): (Vec<&Drawn>, Vec<&Drawn>) = drawn.into_iter().partition(|drawn| !drawn.pictures.is_empty());
    blocks.extend(shown.into_iter().map(Block::Figure));
    let absent = absent.into_iter().map(|drawn| drawn.figure.absent).filter(|text| !text.is_empty());
    blocks.extend(absent.map(|text| Block::Paragraph(text.into())));
    blocks.extend([
        Block::Section("Claims", "claims"),
        Block::Definitions(claims::rules()),
        Block::Section("Methods and schedules", "methods"),
        Block::Paragraph(glossary::NOTE.into()),
        Block::Table(glossary::methods(evidence)),
        Block::Table(glossary::schedules(evidence)),
        Block::Section("Indicators", "indicators"),
        Block::Definitions(definitions(evidence)),
        Block::Section("Provenance", "provenance"),
        provenance(evidence),
    ]);
    Document { title: title(evidence), blocks }
}

fn title(evidence: &Evidence) -> String {
    format!("Loss of trainability: {}", evidence.sweep.name)
}

fn warned<'a>(warnings: &[String]) -> Vec<Block<'a>> {
    match warnings {
        [] => vec![Block::Paragraph("There is nothing to warn about.".into())],
        _ => vec![Block::Section("Warnings", "warnings"), Block::Warnings(warnings.to_vec())],
    }
}

/// The section on a paper; nothing where none was asked for.
fn beside_the_paper<'a>(evidence: &Evidence, tables: Vec<Table>, drawn: Vec<&'a Drawn>) -> Vec<Block<'a>> {
    let Some(against) = &evidence.against else { return Vec::new() };
    let head = against::head(against).into_iter().map(Block::Paragraph);
    let figures = drawn.into_iter().filter(|drawn| !drawn.pictures.is_empty()).map(Block::Figure);
    let section = [Block::Section("Beside the paper", "paper")].into_iter();
    section.chain(head).chain(figures).chain(tables.into_iter().map(Block::Table)).collect()
}

fn scope(evidence: &Evidence) -> String {
    let finished = evidence.sweep.finished().count();
    let unfinished = evidence.sweep.unfinished().count();
    // Those that nobody has begun have no folder.
    let planned = evidence.sweep.provenance.as_ref().and_then(|value| value.get("runs")?.as_u64()).unwrap_or(0);
    let all = if evidence.slice.is_empty() {
        evidence.sweep.runs.len().max(planned as usize)
    } else {
        evidence.sweep.runs.len()
    };
    let seeds = seeds(&evidence.seeds());
    let arms = counted(evidence.arms().len(), "arm");
    let mut sentences = vec![format!("{}.", setting(evidence))];
    let more = match unfinished {
        0 => String::new(),
        1 => ", 1 is unfinished".to_owned(),
        runs => format!(", {runs} are unfinished"),
    };
    sentences.push(match finished {
        0 => format!("{finished} of {all} runs have finished{more}."),
        _ => {
            format!("{finished} of {all} runs have finished{more}: {arms} (a method under a schedule) of {seeds} each.")
        }
    });
    let commit = evidence.sweep.provenance.as_ref().and_then(|value| value.get("git_commit")?.as_str());
    sentences.extend(commit.map(|commit| format!("Commit {}.", commit.chars().take(7).collect::<String>())));
    sentences.join(" ")
}

/// What the runs are of: data, network, stream and optimizer, several values where arms differ.
fn setting(evidence: &Evidence) -> String {
    // Those that have not finished speak where none has.
    let unfinished = evidence.sweep.unfinished().filter(|_| evidence.series.is_empty());
    let runs: Vec<&RecordedRun> = evidence.sweep.finished().chain(unfinished).collect();
    let values = |key: &str| {
        let of_run = |run: &&RecordedRun| option(run, key).map(of_value);
        distinct(runs.iter().filter_map(of_run)).join(" or ")
    };
    let either = |key: &str, usual: &str| if values(key).is_empty() { usual.to_owned() } else { values(key) };
    let tasks = if evidence.series.is_empty() { values("stream.tasks") } else { evidence.tasks().to_string() };
    let network = values("network.hidden").replace(", ", "-").replace(['[', ']'], "");
    let parts = [
        (
            values("data.images"),
            format!("{} images of {}", values("data.images"), either("data.set", "an unnamed set")),
        ),
        (network.clone(), format!("hidden layers {network}")),
        (values("stream.kind"), values("stream.kind").replace('_', " ")),
        (String::from("tasks"), format!("{tasks} tasks of {} epochs", either("stream.epochs", "some"))),
        (
            values("training.learning_rate"),
            format!("{} at {}", either("training.optimizer", "Adam"), values("training.learning_rate")),
        ),
    ];
    let known = parts.into_iter().filter(|(value, _)| !value.is_empty()).map(|(_, text)| text);
    known.collect::<Vec<_>>().join(", ")
}

/// Which indicators beat the trivial ones beyond their intervals.
fn verdict(evidence: &Evidence) -> String {
    let leaders = leading(&evidence.scores, HORIZON);
    let names: Vec<_> = leaders.iter().map(|score| score.indicator.title.as_str()).collect();
    let bar = "its interval lies above those of task age and of online accuracy, and above 0.5";
    match names.as_slice() {
        [] => format!(
            "Pooled over arms, at horizon {HORIZON} no indicator beats both trivial predictors in the sense that {bar}."
        ),
        [only] => format!(
            "Pooled over arms, at horizon {HORIZON} one indicator beats both trivial predictors, {only}: {bar}."
        ),
        _ => format!(
            "Pooled over arms, at horizon {HORIZON}, {} indicators beat both trivial predictors in the sense that {bar}: {}.",
            names.len(),
            names.join(", ")
        ),
    }
}

fn definitions(evidence: &Evidence) -> Vec<(String, String)> {
    let definition = |indicator: &DescribedIndicator| {
        let DescribedIndicator { name, title, role, text, .. } = indicator;
        (format!("{title} ({name}, {})", role.name()), format!("{}.", text.trim_end_matches('.')))
    };
    evidence.sweep.glossary.indicators.iter().map(definition).collect()
}

fn provenance<'a>(evidence: &Evidence) -> Block<'a> {
    match &evidence.sweep.provenance {
        Some(value) => Block::Verbatim(serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())),
        None => Block::Paragraph("There is no sweep.json.".into()),
    }
}
