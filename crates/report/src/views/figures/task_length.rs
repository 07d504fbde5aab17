//! What the length of a task does: the more updates a task takes, the more there is to lose, and the better each is learned.

use trainability_stats::aggregate::{last_quarter, mean};

use crate::evidence::Evidence;
use crate::setting::option;
use crate::views::figures::abscissa::{self, Abscissa};
use crate::views::figures::figure::{Drawing, Figure};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
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
    scores: &[
        ("all tasks", |accuracy| mean(accuracy).ok()),
        ("last quarter", |accuracy| mean(last_quarter(accuracy)).ok()),
    ],
    columns: 2,
    height: 280.0,
    x_label: "epochs a task (log scale)",
    y_label: "online accuracy",
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    abscissa::draw(&FIGURE, evidence, &EPOCHS)
}
