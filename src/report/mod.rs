//! From a sweep's folder to what people read: tables in the terminal, figures, and a report as Markdown and HTML.
//!
//! The way of the data: [`results`] reads the folder, [`evidence`] computes every statistic once, [`figures`], [`tables`]
//! and [`warnings`] draw on it, [`contents`] puts them in order, [`markdown`] and [`html`] write them down. Nothing here
//! touches a tensor, and nothing but the files named in [`ReportFiles`] is written.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;

use self::evidence::Evidence;
use self::results::Sweep;
use crate::analysis::{PredictivenessRow, SummaryRow};

pub mod contents;
pub mod document;
pub mod evidence;
pub mod figures;
pub mod files;
pub mod html;
pub mod markdown;
pub mod results;
pub mod table;
pub mod tables;
pub mod terminal;
pub mod trace;
pub mod warnings;

/// What [`write()`] wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFiles {
    /// A row an arm.
    pub summary: PathBuf,
    /// A row an indicator and horizon.
    pub predictiveness: PathBuf,
    /// The report with linked figures.
    pub markdown: PathBuf,
    /// The report in one file.
    pub html: PathBuf,
    /// The figures, in the report's order.
    pub figures: Vec<PathBuf>,
}

/// Reports on the sweep in `results_dir`: tables and warnings to `out`, the figures to `plots_dir`, everything else into
/// `results_dir`. Ends by naming the files to open.
///
/// # Errors
/// When the folder holds no sweep, `sweep.json` is damaged, no run has finished and is whole, or something cannot be
/// written; in one sentence with the file's name.
pub fn write(results_dir: &Path, plots_dir: &Path, out: &mut dyn Write) -> anyhow::Result<ReportFiles> {
    let sweep = Sweep::load(results_dir)?;
    if sweep.finished().next().is_none() {
        terminal::list(out, "Warnings", &[warnings::damaged(&sweep), warnings::unfinished(&sweep)].concat())?;
        let whole = if sweep.runs.iter().any(|run| run.damage.is_some()) { " and is whole" } else { "" };
        bail!(
            "none of the {} runs in {} has finished{whole}, so there is nothing to report",
            sweep.runs.len(),
            results_dir.display()
        );
    }
    let evidence = Evidence::new(sweep);
    let warnings = warnings::all(&evidence);
    let tables = tables::all(&evidence);
    for table in &tables {
        terminal::table(out, table)?;
    }
    terminal::list(out, "Warnings", &warnings)?;

    let report = ReportFiles {
        summary: results_dir.join("summary.csv"),
        predictiveness: results_dir.join("predictiveness.csv"),
        markdown: results_dir.join("report.md"),
        html: results_dir.join("report.html"),
        figures: Vec::new(),
    };
    files::write_csv(&report.summary, evidence.summaries.iter().map(SummaryRow::from))?;
    files::write_csv(&report.predictiveness, evidence.scores.iter().map(PredictivenessRow::from))?;

    files::make_folder(plots_dir)?;
    let drawn = figures::draw_all(&evidence)?;
    let pictures: Vec<_> = drawn.iter().flat_map(|drawn| &drawn.pictures).collect();
    for picture in &pictures {
        files::write(&plots_dir.join(&picture.file), &picture.png)?;
    }
    let figures: Vec<_> = pictures.iter().map(|picture| plots_dir.join(&picture.file)).collect();
    let report = ReportFiles { figures, ..report };

    let document = contents::document(&evidence, &warnings, tables, &drawn);
    let plots = files::relative(results_dir, plots_dir)?;
    files::write(&report.markdown, markdown::render(&document, &plots).as_bytes())?;
    files::write(&report.html, html::render(&document).as_bytes())?;
    terminal::list(out, "Figures", &report.figures.iter().map(|path| path.display().to_string()).collect::<Vec<_>>())?;
    writeln!(out, "Open {} (or {}).", report.html.display(), report.markdown.display())?;
    Ok(report)
}
