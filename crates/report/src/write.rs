//! A report from beginning to end: read, compute, print, draw, write.

use std::io::Write;
use std::path::PathBuf;

use trainability_record::atomic::{self, make_folder};
use trainability_record::text::printable;

use crate::error::{ReportError, refuse};
use crate::evidence::Evidence;
use crate::evidence::rows::CsvLine;
use crate::groups::{groups, told};
use crate::selection::{Filter, select};
use crate::views::{contents, figures, group_tables, tables, warnings};
use crate::writers::{files, html, latex, markdown, terminal};

/// What [`write_request`] wrote.
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
}

/// Reports on a sweep, a part of one, or several: prints tables and warnings to `out`, and writes the files. Ends by naming the
/// files to open, unless the tables are for LaTeX, which then is all there is in `out`.
///
/// # Errors
/// When a folder holds no sweep, `sweep.json` is damaged, no run has finished and is whole, a filter matches nothing, or
/// something cannot be written; in one sentence with the file's name.
pub fn write_request(request: &Request, out: &mut dyn Write) -> Result<ReportFiles, ReportError> {
    let Request { out: results_dir, plots: plots_dir, format, .. } = request;
    let selected = select(&request.results, &request.filters)?;
    let sweep = &selected.sweep;
    if sweep.finished().next().is_none() {
        terminal::list(out, "Warnings", &[warnings::damaged(sweep), warnings::unfinished(sweep)].concat())?;
        let whole = if sweep.runs.iter().any(|run| run.damage.is_some()) { " and is whole" } else { "" };
        refuse!(
            "none of the {} runs in {} has finished{whole}, so there is nothing to report",
            sweep.runs.len(),
            request.results.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ")
        );
    }
    let mut evidence = Evidence::of(selected);
    let mut grouped = Vec::new();
    if let Some(key) = &request.group_by {
        grouped = groups(&evidence, key)?;
        evidence.slice.push(told(key, &grouped));
    }
    let warnings = warnings::all(&evidence);
    let tables = if grouped.is_empty() { tables::all(&evidence) } else { group_tables::tables(&evidence, &grouped) };
    match format {
        Format::Terminal => {
            terminal::list(out, "Slice", &evidence.slice)?;
            tables.iter().try_for_each(|table| terminal::table(out, table))?;
            terminal::list(out, "Warnings", &warnings)?;
        }
        Format::Latex => {
            evidence.slice.iter().try_for_each(|sentence| writeln!(out, "% {}", printable(sentence)))?;
            out.write_all(latex::render(&tables).as_bytes())?;
        }
    }

    let report = ReportFiles {
        summary: results_dir.join("summary.csv"),
        ordering: results_dir.join("ordering.csv"),
        predictiveness: results_dir.join("predictiveness.csv"),
        claims: results_dir.join("claims.csv"),
        markdown: results_dir.join("report.md"),
        html: results_dir.join("report.html"),
        figures: Vec::new(),
    };
    make_folder(results_dir)?;
    make_folder(plots_dir)?;
    files::write_csv(
        &report.summary,
        &Vec::from_iter(
            evidence.summaries.iter().map(|summary| CsvLine::of_arm(summary, evidence.onset(&summary.arm))),
        ),
    )?;
    files::write_csv(&report.ordering, &Vec::from_iter(evidence.ordering.iter().map(CsvLine::of_ordering)))?;
    files::write_csv(&report.predictiveness, &Vec::from_iter(evidence.scores.iter().map(CsvLine::of_score)))?;
    files::write_csv(&report.claims, &Vec::from_iter(evidence.judgements.iter().flat_map(CsvLine::of_judgement)))?;

    let drawn = figures::draw_all(&evidence, &grouped)?;
    let pictures: Vec<_> = drawn.iter().flat_map(|drawn| &drawn.pictures).collect();
    for picture in &pictures {
        atomic::write(&plots_dir.join(&picture.file), &picture.png)?;
        atomic::write(&plots_dir.join(picture.svg_file()), picture.svg.as_bytes())?;
    }
    let figures: Vec<_> = pictures.iter().map(|picture| plots_dir.join(&picture.file)).collect();
    let report = ReportFiles { figures, ..report };

    let document = contents::document(&evidence, &warnings, tables, &drawn);
    let plots = files::relative(results_dir, plots_dir)?;
    atomic::write(&report.markdown, markdown::render(&document, &plots).as_bytes())?;
    atomic::write(&report.html, html::render(&document).as_bytes())?;
    if *format == Format::Terminal {
        let figures: Vec<_> = report.figures.iter().map(|path| path.display().to_string()).collect();
        terminal::list(out, "Figures", &figures)?;
        writeln!(out, "Open {} (or {}).", report.html.display(), report.markdown.display())?;
    }
    Ok(report)
}
