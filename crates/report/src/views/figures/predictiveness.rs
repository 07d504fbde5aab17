//! How well every indicator foretells the loss of trainability, beside the two predictors that cost nothing.

use trainability_record::glossary::IndicatorRole;

use crate::evidence::Evidence;
use crate::evidence::predictiveness::{Predictiveness, ranked};
use crate::plot::axis::{extent, plain};
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Row, Scale};
use crate::plot::style::{INK, REFERENCE, role_colour};
use crate::views::figures::figure::{Drawing, Figure};
use crate::views::tables::{HORIZON, reference_text};
use crate::wording::counted;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "predictiveness",
    title: "How well each indicator foretells loss of trainability one task ahead",
    caption: "AUROC is the probability that the indicator ranks a task before a loss of trainability above one before \
              none; 0.5 is a coin. Each indicator is read in the direction in which it separates best on these very \
              data, which flatters weak ones: an interval that reaches down to 0.5 says that nothing was found. An \
              indicator earns its keep only to the right of both vertical lines, the predictors that cost nothing.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let scores = ranked(&evidence.scores, HORIZON);
    let Some(most) = scores.iter().max_by_key(|score| score.pairs) else { return Vec::new() };

    let mut legend = Vec::new();
    let coin = Pen::dashed(REFERENCE, 2.5);
    let mut marks = vec![Mark::Vertical { x: 0.5, pen: coin }];
    for (place, score) in scores.iter().filter(|score| score.is_trivial()).enumerate() {
        let Ok(auroc) = score.auroc_oriented() else { continue };
        let pen = Pen { colour: INK, width: 2.5, dashed: place > 0 };
        marks.push(Mark::Vertical { x: auroc.point(), pen });
        legend.push(Key::line(format!("{} (trivial)", score.indicator.title), pen));
    }
    legend.push(Key::line("coin", coin));
    let roles = [
        ("rejected", IndicatorRole::Rejected),
        ("compared", IndicatorRole::Compared),
        ("of the method", IndicatorRole::Method),
    ];
    legend.extend(roles.map(|(label, role)| Key::point(label, role_colour(role), MarkerShape::Circle)));
    for (place, score) in scores.iter().enumerate() {
        marks.extend(forest_row(place as f64, score, role_colour(score.indicator.role)));
    }
    let ends = scores.iter().filter_map(|score| score.auroc_oriented().ok()?.interval().ok());
    let lowest = extent(ends.map(|interval| interval.low)).map_or(0.45, |(low, _)| low.min(0.45));
    let rows: Vec<_> =
        scores.iter().map(|score| Row { label: score.indicator.title.clone(), note: note(score) }).collect();
    let height = 40.0 * rows.len() as f64;
    let x = Axis::linear((lowest * 20.0).floor() / 20.0, 1.01);
    let y = Axis { scale: Scale::Rows(rows), ..Axis::default() };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "AUROC with 95 % jackknife interval over seeds; n = {} task pairs of {}, {}; {} of them events: {}.",
            plain(most.pairs as f64, 0),
            counted(most.runs, "run"),
            counted(most.seeds, "seed"),
            plain(most.events as f64, 0),
            reference_text(most.reference),
        ),
        legend,
        panels: vec![Panel { x, y, marks, ..Panel::default() }],
        columns: 1,
        panel_height: height,
        x_label: "AUROC at horizon 1, in the better direction".into(),
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn forest_row(y: f64, score: &Predictiveness, colour: plotters::style::RGBColor) -> Vec<Mark> {
    let Ok(auroc) = score.auroc_oriented() else { return Vec::new() };
    let mut marks = Vec::new();
    if let Ok(interval) = auroc.interval() {
        marks.push(Mark::Line { points: vec![(interval.low, y), (interval.high, y)], pen: Pen::solid(colour, 4.0) });
    }
    marks.push(Mark::Points { points: vec![(auroc.point(), y)], colour, shape: MarkerShape::Circle, size: 9.0 });
    marks
}

fn note(score: &Predictiveness) -> String {
    match score.auroc_oriented() {
        Err(reason) => reason.to_string(),
        Ok(auroc) => match auroc.interval() {
            Ok(interval) => format!("{:.2} [{:.2}, {:.2}]", auroc.point(), interval.low, interval.high),
            Err(_) => format!("{:.2}, no interval", auroc.point()),
        },
    }
}
