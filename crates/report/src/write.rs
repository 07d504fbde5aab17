//! A report from beginning to end: read, compute, print, draw, write.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use trainability_record::atomic::{self, make_folder};
use trainability_record::text::printable;

use crate::error::ReportError;
use crate::evidence::Evidence;
use crate::evidence::against::Against;
use crate::evidence::against::paper::Paper;
use crate::evidence::rows::CsvLine;
use crate::groups::{Group, groups, told};
use crate::refusal::{demand, refuse};
use crate::selected::Selected;
use crate::selection::{Filter, select};
use crate::views::figures::Drawn;
use crate::views::table::Table;
use crate::views::{against, contents, figures, unfinished, warnings};
use crate::writers::{files, html, latex, markdown, terminal};

/// What [`write_request`] wrote. The first four hold what finished runs say, and are not written where none has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// A row an arm.
    pub summary: PathBuf,
    /// A row an indicator: whether it orders, and whether it adds.
    pub ordering: PathBuf,
    /// A row an indicator and horizon.
    pub predictiveness: PathBuf,
    /// A row a finding on the paper's claims.
    pub claims: PathBuf,
    /// A row a value of a paper and an arm, where a paper was asked for.
    pub against: Option<PathBuf>,
    /// The report with linked figures.
    pub markdown: PathBuf,
    /// The report in one file.
    pub html: PathBuf,
    /// The figures, in the report's order.
    pub figures: Vec<PathBuf>,
}

/// How tables are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "program", derive(clap::ValueEnum))]
pub enum Format {
    /// For reading, at most 100 characters wide, with warnings and the names of the files to open
    #[default]
    Terminal,
    /// The tables alone, as LaTeX with booktabs
    Latex,
}

/// What to report on, and where to.
#[derive(Clone, Debug)]
pub struct Request {
    /// The sweeps' folders, at least one.
    pub results: Vec<PathBuf>,
    /// The folder for everything but the figures.
    pub out: PathBuf,
    /// The folder for the figures.
    pub plots: PathBuf,
    /// How tables are printed.
    pub format: Format,
    /// Which runs and tasks enter; all without any.
    pub filters: Vec<Filter>,
    /// The key whose values set the arms apart, if any.
    pub group_by: Option<String>,
    /// The paper that the runs are held against, if any: `paper`, or a file.
    pub against: Option<String>,
}

/// Reports on a sweep, a part of one, or several: prints tables and warnings to `out`, and writes the files. Ends by naming the
/// files to open, unless the tables are for LaTeX, which then is all there is in `out`.
///
/// # Errors
/// When a folder holds no sweep, `sweep.json` is damaged, no whole run has finished or completed a task, a filter matches nothing, the
/// numbers of a paper are not what they should be, or something cannot be written; in one sentence with the file's name.
pub fn write_request(request: &Request, out: &mut dyn Write) -> Result<ReportFiles, ReportError> {
    let Request { out: results_dir, plots: plots_dir, format, .. } = request;
    let paper = request.against.as_deref().map(Paper::read).transpose()?;
    let selected = select(&request.results, &request.filters)?;
    something_to_report(request, &selected, out)?;
    let mut evidence = Evidence::of(selected);
    if let Some(paper) = paper {
        evidence.against = Some(Against::of(paper, &evidence.sweep, evidence.first_task)?);
    }
    let mut grouped = Vec::new();
    if let Some(key) = &request.group_by {
        demand!(!evidence.series.is_empty(), "--group-by is {key:?}, expected none before a run has finished");
        grouped = groups(&evidence, key)?;
        evidence.slice.push(told(key, &grouped));
    }
    let warnings = warnings::all(&evidence);
    let tables = contents::tables(&evidence, &grouped);
    print(&evidence, &tables, &warnings, *format, out)?;

    make_folder(results_dir)?;
    make_folder(plots_dir)?;
    let report = write_csv_files(&evidence, results_dir)?;
    let figures = draw(&evidence, &grouped, plots_dir)?;
    let document = contents::document(&evidence, &warnings, tables, &figures);
    let plots = files::relative(results_dir, plots_dir)?;
    atomic::write(&report.markdown, markdown::render(&document, &plots).as_bytes())?;
    atomic::write(&report.html, html::render(&document).as_bytes())?;
    let pictures = figures.iter().flat_map(|drawn| &drawn.pictures);
    let report = ReportFiles { figures: pictures.map(|picture| plots_dir.join(&picture.file)).collect(), ..report };
    if *format == Format::Terminal {
        let figures: Vec<_> = report.figures.iter().map(|path| path.display().to_string()).collect();
        terminal::list(out, "Figures", &figures)?;
        writeln!(out, "Open {} (or {}).", report.html.display(), report.markdown.display())?;
    }
    Ok(report)
}

/// Refuses runs of which none has finished or completed a task, and prints why each has not.
fn something_to_report(request: &Request, selected: &Selected, out: &mut dyn Write) -> Result<(), ReportError> {
    let sweep = &selected.sweep;
    if sweep.finished().next().is_some() || sweep.unfinished().any(|run| run.tasks() > 0) {
        return Ok(());
    }
    terminal::list(out, "Warnings", &[warnings::damaged(sweep), warnings::unfinished(sweep)].concat())?;
    let whole = if sweep.runs.iter().any(|run| run.damage.is_some()) { " and is whole" } else { "" };
    let task = if sweep.unfinished().next().is_some() { " or completed a task" } else { "" };
    refuse!(
        "none of the {} runs in {} has finished{task}{whole}, so there is nothing to report",
        sweep.runs.len(),
        request.results.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ")
    )
}

/// Prints the tables, with what stands at the head of those beside a paper, and the warnings.
fn print(
    evidence: &Evidence,
    tables: &[Table],
    warnings: &[String],
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    let opening = unfinished::nothing_has_finished(evidence);
    let head: Vec<String> = evidence.against.iter().flat_map(against::head).collect();
    if format == Format::Latex {
        let comments = opening.iter().chain(&evidence.slice).chain(&head);
        comments.into_iter().try_for_each(|sentence| writeln!(out, "% {}", printable(sentence)))?;
        return out.write_all(latex::render(tables).as_bytes());
    }
    opening.iter().try_for_each(|sentence| terminal::paragraph(out, sentence))?;
    terminal::list(out, "Slice", &evidence.slice)?;
    let first = tables.iter().position(against::is_against).unwrap_or(usize::from(!evidence.series.is_empty()));
    for (place, table) in tables.iter().enumerate() {
        if place == first {
            terminal::list(out, "Beside the paper", &head)?;
        }
        terminal::table(out, table)?;
    }
    terminal::list(out, "Warnings", warnings)
}

/// Writes what finished runs say, and what a paper has beside all of them.
fn write_csv_files(evidence: &Evidence, folder: &Path) -> Result<ReportFiles, ReportError> {
    let file = |name: &str| folder.join(name);
    let report = ReportFiles {
        summary: file("summary.csv"),
        ordering: file("ordering.csv"),
        predictiveness: file("predictiveness.csv"),
        claims: file("claims.csv"),
        against: evidence.against.as_ref().map(|_| file("against.csv")),
        markdown: file("report.md"),
        html: file("report.html"),
        figures: Vec::new(),
    };
    if !evidence.series.is_empty() {
        let arms = evidence.summaries.iter().map(|summary| CsvLine::of_arm(summary, evidence.onset(&summary.arm)));
        files::write_csv(&report.summary, &Vec::from_iter(arms))?;
        files::write_csv(&report.ordering, &Vec::from_iter(evidence.ordering.iter().map(CsvLine::of_ordering)))?;
        files::write_csv(&report.predictiveness, &Vec::from_iter(evidence.scores.iter().map(CsvLine::of_score)))?;
        let findings = evidence.judgements.iter().flat_map(CsvLine::of_judgement);
        files::write_csv(&report.claims, &Vec::from_iter(findings))?;
    }
    if let Some((path, against)) = report.against.as_ref().zip(evidence.against.as_ref()) {
        let lines = against.comparisons.iter().map(|comparison| CsvLine::of_comparison(against, comparison));
        files::write_csv(path, &Vec::from_iter(lines))?;
    }
    Ok(report)
}

/// Draws the figures into a folder.
fn draw(evidence: &Evidence, groups: &[Group], folder: &Path) -> Result<Vec<Drawn>, ReportError> {
    let drawn = figures::draw_all(evidence, groups)?;
    for picture in drawn.iter().flat_map(|drawn| &drawn.pictures) {
        atomic::write(&folder.join(&picture.file), &picture.png)?;
        atomic::write(&folder.join(picture.svg_file()), picture.svg.as_bytes())?;
    }
    Ok(drawn)
}
