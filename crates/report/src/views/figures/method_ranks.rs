//! Methods by mean rank, with the critical difference.

use crate::evidence::Evidence;
use crate::evidence::method_ranks::MethodRanks;
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Row, Scale};
use crate::plot::style::{INK, REFERENCE, SIDES};
use crate::views::figures::figure::{Drawing, Figure};
use crate::wording::counted;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "method_ranks",
    title: "Which method is best, and which cannot be told from it?",
    caption: "Each seed ranks the methods by their mean online accuracy under the same schedule; points are mean ranks over seeds, 1 \
              being the best. Lines reach half a critical difference to either side: methods whose lines overlap are not told apart \
              by Nemenyi's test at 5 % over all pairs. Few seeds make the lines long.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let Some(ranks) = &evidence.method_ranks else { return Vec::new() };
    let MethodRanks { schedule, seeds, methods, p, critical_difference } = ranks;
    let half = critical_difference / 2.0;
    let best = methods[0].1;
    let mut marks = vec![Mark::Vertical { x: best + half, pen: Pen::dashed(REFERENCE, 2.0) }];
    for (place, (_, rank)) in methods.iter().enumerate() {
        let beside = rank - best <= *critical_difference;
        let (y, colour) = (place as f64, if beside { SIDES[1] } else { INK });
        // No mean rank lies beyond the first and the last.
        let reach = [rank - half, rank + half].map(|end| (end.clamp(1.0, methods.len() as f64), y));
        marks.push(Mark::Line { points: reach.to_vec(), pen: Pen::solid(colour, 4.0) });
        marks.push(Mark::Points { points: vec![(*rank, y)], colour, shape: MarkerShape::Circle, size: 9.0 });
    }
    let rows = methods.iter().map(|(method, rank)| Row { label: method.clone(), note: format!("mean rank {rank:.1}") });
    let count = methods.len() as f64;
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Under {schedule}; n = {} that all {} share; {} not told from the best. No difference at all: p = {p:.4}.",
            counted(*seeds, "seed"),
            counted(methods.len(), "method"),
            match ranks.beside_best() - 1 {
                1 => "1 other is".to_owned(),
                others => format!("{others} others are"),
            },
        ),
        legend: vec![
            Key::point("the best, and not told from it", SIDES[1], MarkerShape::Circle),
            Key::point("worse than the best", INK, MarkerShape::Circle),
        ],
        panel_height: 40.0 * count.max(3.0),
        panels: vec![Panel {
            x: Axis::linear(0.5, count + 0.5),
            y: Axis { scale: Scale::Rows(rows.collect()), ..Axis::default() },
            marks,
            ..Panel::default()
        }],
        columns: 1,
        x_label: "mean rank over seeds, and half a critical difference to either side".into(),
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}
