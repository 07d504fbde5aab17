//! The rejected indicators' counter-examples: the closest pair of configurations in which each moves alike and accuracy does not.

use trainability_record::glossary::DescribedIndicator;

use crate::evidence::claims::counter_examples::{CounterExample, counter_examples};
use crate::evidence::outcomes::scored_runs;
use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Axis, Key, Mark, Panel, Pen, Plot, line_values};
use crate::plot::style::{KEPT, LOST};
use crate::views::figures::figure::{Drawing, Figure, share_axis, task_axis};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "counter_examples",
    title: "Where rejected indicators move alike and accuracy does not",
    caption: "For each rejected indicator the closest pair of configurations of which one loses trainability in every \
              seed and the other in none, while the indicator takes the same course in both (the report's findings say \
              what counts as the same). Left the indicator, right the accuracy, same colours. An indicator without a \
              row has no such pair in this sweep, which does not acquit it.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let event = &evidence.event;
    let runs = scored_runs(&evidence.series, event);
    let mut panels = Vec::new();
    let mut seeds = usize::MAX;
    let (mut found, mut missing) = (0, Vec::new());
    for indicator in evidence.rejected() {
        match counter_examples(&indicator.name, &runs, event).first() {
            Some(example) => {
                panels.extend(pair(evidence, indicator, example));
                seeds = seeds.min(example.seeds);
                found += 1;
            }
            None => missing.push(indicator.title.as_str()),
        }
    }
    let without = if missing.is_empty() { String::new() } else { format!(" No pair for: {}.", missing.join(", ")) };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Thin lines are seeds, wide lines their means; n = {seeds} seeds in each configuration, {found} indicators.{without}"
        ),
        legend: vec![Key::line("loses trainability", mean_pen(LOST)), Key::line("keeps it", mean_pen(KEPT))],
        columns: 2,
        panels,
        panel_height: 250.0,
        x_label: "task".into(),
        shared_x: true,
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn mean_pen(colour: plotters::style::RGBColor) -> Pen {
    Pen::solid(colour, 4.5)
}

fn pair(evidence: &Evidence, indicator: &DescribedIndicator, example: &CounterExample) -> [Panel; 2] {
    let arms = [(&example.lost, LOST), (&example.kept, KEPT)];
    let marks = |column: &str| -> Vec<Mark> {
        let mut marks = Vec::new();
        for (arm, colour) in arms {
            let runs = evidence.arm(&arm.method, &arm.schedule);
            for run in &runs {
                let points = evidence.mean_curve(&across_seeds(&[*run], column));
                marks.push(Mark::Line { points, pen: Pen::solid(colour, 1.5) });
            }
            marks.push(Mark::Line { points: evidence.mean_curve(&across_seeds(&runs, column)), pen: mean_pen(colour) });
        }
        marks
    };
    let courses = marks(&indicator.name);
    [
        Panel {
            title: indicator.title.clone(),
            note: format!("courses correlate at {:.2} or more", example.correlation),
            x: task_axis(evidence),
            y: Axis::around(line_values(&courses)),
            marks: courses,
        },
        Panel {
            title: "online accuracy".into(),
            note: format!("{} against {}", example.lost.heading(), example.kept.heading()),
            x: task_axis(evidence),
            y: share_axis(),
            marks: marks("online_accuracy"),
        },
    ]
}
