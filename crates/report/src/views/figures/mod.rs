//! Every figure of the report: one file each, one line each in [`FIGURES`].
//!
//! A figure turns the evidence into [`plot::Plot`]s, plain data without pixels; [`panels`] lays any plot out and
//! paints it, so that all figures share typography, colours and legibility.

use rayon::prelude::*;

use self::canvas::DrawError;
use self::panels::height;
use self::picture::{Picture, render};
use self::plot::{Axis, Plot};
use super::evidence::Evidence;
use super::groups::Group;

automod::dir!(pub "src/report/figures");

/// All figures, in the report's order.
pub const FIGURES: &[Figure] = &[
    online_accuracy::FIGURE,
    performance_profile::FIGURE,
    learning_rate_sensitivity::FIGURE,
    task_length::FIGURE,
    learning_rate::FIGURE,
    mirrored_decay::FIGURE,
    effective_step_bounds::FIGURE,
    predicted_trainability::FIGURE,
    rejected_indicators::FIGURE,
    counter_examples::FIGURE,
    predictiveness::FIGURE,
    within_run_correlation::FIGURE,
    cost::FIGURE,
];

/// A figure: what it is called, how it is read, and how it comes out of the evidence.
#[derive(Clone, Copy)]
pub struct Figure {
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
pub struct Drawing {
    /// What the file name carries after the figure's name; empty for a figure of one image.
    pub suffix: String,
    /// What is drawn.
    pub plot: Plot,
}

/// A figure with its finished images.
pub struct Drawn {
    /// The figure.
    pub figure: Figure,
    /// Its images.
    pub pictures: Vec<Picture>,
}

/// Pixels beyond which an image is left out: hundreds of methods fill the memory, and no screen shows them.
const MOST_HEIGHT: u32 = 20_000;

/// Draws every figure, and accuracy group by group, on all cores; an image that would be too high is left out.
///
/// # Errors
/// Only when the drawing backend fails.
pub fn draw_all(evidence: &Evidence, groups: &[Group]) -> Result<Vec<Drawn>, DrawError> {
    let draw = |figure: &Figure| {
        let mut drawings = (figure.draw)(evidence);
        if figure.name == online_accuracy::FIGURE.name {
            drawings.extend(groups.iter().flat_map(|group| of_group(figure, group)));
        }
        let can_be_drawn = |drawing: &Drawing| !drawing.plot.panels.is_empty() && height(&drawing.plot) <= MOST_HEIGHT;
        let drawings = drawings.into_par_iter().filter(can_be_drawn);
        let pictures = drawings.map(|drawing| render(&drawing.plot, file_name(figure.name, &drawing.suffix)));
        Ok(Drawn { figure: *figure, pictures: pictures.collect::<Result<_, _>>()? })
    };
    FIGURES.par_iter().map(draw).collect()
}

/// The same figure of one group's runs.
fn of_group(figure: &Figure, group: &Group) -> Vec<Drawing> {
    let mut drawings = (figure.draw)(&group.evidence);
    for drawing in &mut drawings {
        drawing.suffix = format!("-{}", group.title.replace(' ', ""));
        drawing.plot.title = format!("{}, {}", drawing.plot.title, group.title);
    }
    drawings
}

/// A method's label may hold what links and file systems dislike.
fn file_name(name: &str, suffix: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    format!("{name}{}.png", suffix.chars().map(plain).collect::<String>())
}

/// The number of seeds an arm, as subtitles say it.
fn figure_n(evidence: &Evidence) -> String {
    format!("n = {} an arm", seeds(evidence.smallest_n(), evidence.largest_n()))
}

/// Like `1 seed`, `3 seeds`, `2 to 3 seeds`.
pub fn seeds(least: usize, most: usize) -> String {
    if least < most { format!("{least} to {most} seeds") } else { counted(most, "seed") }
}

/// Like `1 run`, `12 runs`.
pub fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The height of panels: what is usual in a grid, but enough for the y label where there is but one row.
fn panel_height(panels: usize, columns: usize, usual: f64) -> f64 {
    if panels <= columns { usual.max(420.0) } else { usual }
}

/// The y axis of shares, with room for lines that lie on 0 or 1.
fn share_axis() -> Axis {
    Axis::linear(-0.02, 1.02)
}

/// The x axis of figures by task, counted from 1.
fn task_axis(evidence: &Evidence) -> Axis {
    let first = evidence.first_task as f64;
    Axis::linear(first + 0.5, first + evidence.tasks().max(1) as f64 + 0.5)
}

/// The x axis of figures by update.
fn update_axis(evidence: &Evidence) -> Axis {
    Axis::linear(0.0, evidence.updates().max(1) as f64)
}
