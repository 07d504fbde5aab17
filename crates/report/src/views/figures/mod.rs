//! Every figure of the report: one file each, one line each in [`FIGURES`].
//!
//! A figure turns the evidence into [`crate::plot::data::Plot`]s, plain data without pixels; [`crate::plot::panels`] lays any plot out and
//! paints it, so that all figures share typography, colours and legibility.

use rayon::prelude::*;

use crate::evidence::Evidence;
use crate::groups::Group;
use crate::plot::canvas::DrawError;
use crate::plot::panels::height;
use crate::plot::picture::{Picture, render};
use crate::views::figures::figure::{Drawing, Figure};

mod abscissa;
mod against;
mod at_a_glance;
mod claims;
mod cost;
mod effective_step_bounds;
pub(crate) mod figure;
mod learning_rate;
mod learning_rate_sensitivity;
mod method_ranks;
mod mirrored_decay;
mod online_accuracy;
mod performance_profile;
mod predicted_trainability;
mod predictiveness;
mod rejected_indicators;
mod task_length;
mod within_run_correlation;

/// All figures, in the report's order.
pub(crate) const FIGURES: &[Figure] = &[
    at_a_glance::FIGURE,
    claims::FIGURE,
    online_accuracy::FIGURE,
    method_ranks::FIGURE,
    performance_profile::FIGURE,
    learning_rate_sensitivity::FIGURE,
    task_length::FIGURE,
    learning_rate::FIGURE,
    mirrored_decay::FIGURE,
    effective_step_bounds::FIGURE,
    predicted_trainability::FIGURE,
    rejected_indicators::FIGURE,
    predictiveness::FIGURE,
    within_run_correlation::FIGURE,
    cost::FIGURE,
    against::FIGURE,
];

/// The first picture of a report.
pub(crate) const AT_A_GLANCE: &str = at_a_glance::FIGURE.name;
/// The figures that show what claims rest on.
pub(crate) const OF_CLAIMS: [&str; 2] = [claims::FIGURE.name, rejected_indicators::FIGURE.name];

/// The figures beside a paper's values.
pub(crate) const AGAINST: &str = against::FIGURE.name;
/// The figures that show unfinished runs: all that there are of a sweep of which none has finished.
const OF_UNFINISHED: [&str; 3] = [online_accuracy::FIGURE.name, learning_rate::FIGURE.name, AGAINST];

/// A figure with its finished images.
pub(crate) struct Drawn {
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
pub(crate) fn draw_all(evidence: &Evidence, groups: &[Group]) -> Result<Vec<Drawn>, DrawError> {
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
    let is_wanted = |figure: &&Figure| !evidence.series.is_empty() || OF_UNFINISHED.contains(&figure.name);
    FIGURES.par_iter().filter(is_wanted).map(draw).collect()
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
