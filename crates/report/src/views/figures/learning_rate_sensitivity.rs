//! How much of what a method or a schedule achieves is the choice of the base learning rate.

use trainability_stats::aggregate::{last_quarter, mean};

use crate::evidence::Evidence;
use crate::results::RecordedRun;
use crate::series::CONTROL;
use crate::setting::option;
use crate::views::figures::abscissa::{self, Abscissa};
use crate::views::figures::figure::{Drawing, Figure};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "learning_rate_sensitivity",
    title: "Late accuracy by base learning rate",
    caption: "Mean online accuracy over the last quarter of the tasks, against the learning rate that a run starts from. \
              A schedule that is more than a better rate lies above the constant schedule's highest point, not only \
              above the constant rate that it starts from; a flat line is one for which the rate need not be tuned.",
    absent: "No schedule was run with two base learning rates: a grid over training.learning_rate, or constant schedules with \
             a learning_rate of their own as in configs/controls.json, make a figure of the sensitivity to it.",
    draw,
};

const RATE: Abscissa = Abscissa {
    key: "training.learning_rate",
    value: rate,
    schedule,
    scores: &[("", |accuracy| mean(last_quarter(accuracy)).ok())],
    columns: 3,
    height: 330.0,
    x_label: "base learning rate (log scale)",
    y_label: "online accuracy, last quarter",
};

/// A schedule's own rate, or the base one.
fn rate(run: &RecordedRun) -> Option<f64> {
    let own = option(run, "schedule.learning_rate").and_then(|rate| rate.as_f64());
    own.or_else(|| option(run, "training.learning_rate")?.as_f64())
}

/// Constant schedules are one, whatever their rate.
fn schedule(run: &RecordedRun) -> String {
    let name = option(run, "schedule.name").and_then(|name| name.as_str());
    if name == Some(CONTROL) { CONTROL.to_owned() } else { run.arm.schedule.clone() }
}

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    abscissa::draw(&FIGURE, evidence, &RATE)
}
