//! What a figure of the report is, and what the figures share.

use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Axis, Key, Panel, Pen, Plot, line_values};
use crate::plot::style::{INK, schedule_pen};
use crate::results::RecordedRun;
use crate::wording::{counted, seeds};

/// A figure: what it is called, how it is read, and how it comes out of the evidence.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// Name of its file, without suffix and extension.
    pub name: &'static str,
    /// Heading in the report.
    pub title: &'static str,
    /// How to read it.
    pub caption: &'static str,
    /// What the report says where there is nothing to draw: which configuration would make it appear; empty for nothing.
    pub absent: &'static str,
    /// The images that it consists of; none when the evidence holds nothing to draw.
    pub draw: fn(&Evidence) -> Vec<Drawing>,
}

/// One image of a figure.
pub(crate) struct Drawing {
    /// What the file name carries after the figure's name; empty for a figure of one image.
    pub suffix: String,
    /// What is drawn.
    pub plot: Plot,
}

/// The number of seeds an arm, as subtitles say it.
pub(crate) fn figure_n(evidence: &Evidence) -> String {
    format!("n = {} an arm", seeds(&evidence.seeds()))
}

/// The keys of all schedules that are shown, and of how unfinished runs are drawn.
pub(crate) fn schedule_keys(evidence: &Evidence) -> Vec<Key> {
    let schedules = evidence.shown_schedules();
    let keys = schedules.iter().map(|name| Key::line(name, schedule_pen(name, &schedules)));
    keys.chain(unfinished_key(evidence)).collect()
}

/// The key of how unfinished runs are drawn, where there are any.
pub(crate) fn unfinished_key(evidence: &Evidence) -> Option<Key> {
    let any = evidence.sweep.unfinished().any(|run| run.tasks() > 0);
    any.then(|| Key::line("unfinished", unfinished_pen(Pen::solid(INK, 1.0))))
}

/// How an unfinished run is drawn where its arm has this pen: thin, and in dashes.
pub(crate) fn unfinished_pen(pen: Pen) -> Pen {
    Pen { width: 2.5, dashed: true, ..pen }
}

/// A run's accuracy by task, counted from 1.
pub(crate) fn accuracy_of(evidence: &Evidence, run: &RecordedRun) -> Vec<(f64, f64)> {
    evidence.mean_curve(&across_seeds(&[run], "online_accuracy"))
}

/// What a subtitle says of unfinished runs; nothing where there are none.
pub(crate) fn unfinished_note(evidence: &Evidence) -> String {
    match evidence.sweep.unfinished().filter(|run| run.tasks() > 0).count() {
        0 => String::new(),
        1 => " The thin dashed line is a run that has not finished, and no part of n.".to_owned(),
        runs => format!(" Thin dashed lines are {} that have not finished, and no part of n.", counted(runs, "run")),
    }
}

/// The height of panels: what is usual in a grid, but enough for the y label where there is but one row.
pub(crate) fn panel_height(panels: usize, columns: usize, usual: f64) -> f64 {
    if panels <= columns { usual.max(420.0) } else { usual }
}

/// Layers that have room beside each other.
const MOST_BESIDE: usize = 6;

/// A panel for each layer of each group: its columns, and the panels. As many columns as layers, so that a row is a group; where
/// those have no room, rows of five, without the panels in which nothing lies.
pub(crate) fn by_layer(layers: usize, mut panels: Vec<Panel>) -> (usize, Vec<Panel>) {
    if layers <= MOST_BESIDE {
        return (layers.max(1), panels);
    }
    panels.retain(|panel| line_values(&panel.marks).next().is_some());
    (5, panels)
}

/// The y axis of shares, with room for lines that lie on 0 or 1.
pub(crate) fn share_axis() -> Axis {
    Axis::linear(-0.02, 1.02)
}

/// The x axis of figures by task, counted from 1.
pub(crate) fn task_axis(evidence: &Evidence) -> Axis {
    let first = evidence.first_task as f64;
    Axis::whole(first + 0.5, first + evidence.shown_tasks().max(1) as f64 + 0.5)
}

/// The x axis of figures by update.
pub(crate) fn update_axis(evidence: &Evidence) -> Axis {
    Axis::linear(0.0, evidence.updates().max(1) as f64)
}
