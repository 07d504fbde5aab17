//! What is left at the last task.

use crate::evidence::Evidence;
use crate::plot::data::{Axis, Mark, Panel, Plot, Row, Scale};
use crate::plot::style::schedule_pen;
use crate::views::figures::figure::{Drawing, Figure, figure_n};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "last_task",
    title: "Online accuracy of the last task",
    caption: "How well each arm still learned at the end: mean over seeds.",
    // What would make it appear, where a sweep has nothing to draw.
    absent: "",
    draw,
};

/// One bar an arm.
fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let (mut rows, mut marks) = (Vec::new(), Vec::new());
    for summary in &evidence.summaries {
        let Ok(accuracy) = summary.last_task_accuracy else { continue };
        let label = format!("{}, {}", summary.arm.method, summary.arm.schedule);
        let colour = schedule_pen(&summary.arm.schedule, &evidence.schedules).colour;
        marks.push(Mark::Bar { y: rows.len() as f64, from: 0.0, to: accuracy.point(), colour });
        rows.push(Row { label, note: format!("{:.2}", accuracy.point()) });
    }
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: figure_n(evidence),
        panel_height: 30.0 * rows.len() as f64,
        panels: vec![Panel {
            title: String::new(),
            note: String::new(),
            x: Axis::linear(0.0, 1.0),
            y: Axis { scale: Scale::Rows(rows), low: 0.0, high: 1.0 },
            marks,
        }],
        columns: 1,
        x_label: "online accuracy".into(),
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}
