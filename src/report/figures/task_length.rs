//! What the length of a task does: the more updates a task takes, the more there is to lose, and the better each is learned.

use super::abscissa::{Abscissa, Course, axis, courses, legend, marks, seeds_at_points};
use super::plot::{Panel, Plot};
use super::{Drawing, Figure, panel_height, seeds, share_axis};
use crate::analysis::aggregate::{last_quarter, mean};
use crate::report::evidence::Evidence;
use crate::report::setting::option;

/// The registry's entry.
pub const FIGURE: Figure = Figure {
    name: "task_length",
    title: "Accuracy by length of a task",
    caption: "Online accuracy against the passes over the images that a task takes. Longer tasks are learned better in \
              themselves, since more of their minibatches come late, as the grey line of a network that is reset at every \
              task shows; what is below it is trainability lost.",
    absent: "No schedule was run with two lengths of a task: a grid over stream.epochs, or a report over several sweeps that \
             differ in it, makes a figure of it.",
    draw,
};

const EPOCHS: Abscissa = Abscissa {
    key: "stream.epochs",
    value: |run| option(run, "stream.epochs")?.as_f64(),
    schedule: |run| run.arm.schedule.clone(),
};

/// A heading, and what it reads of a run's accuracies by task.
type Score = (&'static str, fn(&[f64]) -> Option<f64>);
const SCORES: [Score; 2] =
    [("all tasks", |accuracy| mean(accuracy).ok()), ("last quarter", |accuracy| mean(last_quarter(accuracy)).ok())];

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let courses = courses(evidence, &EPOCHS);
    if courses.is_empty() {
        return Vec::new();
    }
    let panel = |course: &Course, (heading, score): Score| Panel {
        title: format!("{} · {heading}", course.method),
        note: String::new(),
        x: axis(&courses),
        y: share_axis(),
        marks: marks(evidence, course, score),
    };
    let panels: Vec<Panel> = courses.iter().flat_map(|course| SCORES.map(|score| panel(course, score))).collect();
    let (least, most) = seeds_at_points(&courses);
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Points are means over seeds, bands their 95 % bootstrap intervals over seeds; {} a point.",
            seeds(least, most)
        ),
        legend: legend(evidence, &courses),
        columns: 2,
        panel_height: panel_height(panels.len(), 2, 280.0),
        panels,
        x_label: "epochs a task (log scale)".into(),
        y_label: "online accuracy".into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}
