//! Each single indicator that the paper rejects, family of methods by family: which way it points, and how surely.

use trainability_record::glossary::IndicatorRole;
use trainability_stats::Undefined;

use crate::evidence::Evidence;
use crate::evidence::claims::claim::LEVEL;
use crate::evidence::ordering::Ordering;
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot, Row, Scale};
use crate::plot::style::{REFERENCE, SIDES};
use crate::views::figures::figure::{Drawing, Figure};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "rejected_indicators",
    title: "Does a rejected indicator point the same way in every method?",
    caption: "Two seeds of one method at the same task: how often the one with the higher value of the indicator fares better on the \
              next task, with the 95 % interval over seeds. On the right high values are good, on the left low ones; full points \
              are significant (Holm over the methods of a panel). The paper's claim is that no indicator can be relied on. Full \
              points of one colour speak against it; those of both speak for it, if chance rarely does as much, which claim (a) \
              tests; rings decide nothing.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let rejected = evidence.ordering.iter().filter(|score| score.indicator.role == IndicatorRole::Rejected);
    let panels: Vec<Panel> = rejected.filter(|score| !score.families.is_empty()).map(panel).collect();
    let seeds = evidence.ordering.iter().filter_map(|score| score.concordance.ok()).map(|score| score.n()).max();
    let families = panels.iter().map(|panel| panel.marks.len()).max().unwrap_or(0);
    let [low, high] = SIDES;
    let legend = vec![
        Key::point("low values are good", low, MarkerShape::Circle),
        Key::point("high values are good", high, MarkerShape::Circle),
        Key::point("not significant", REFERENCE, MarkerShape::Ring),
    ];
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Matched concordance by family of methods, arms at constant rates; n = {} seeds.",
            seeds.unwrap_or(0)
        ),
        legend,
        columns: 2,
        panels,
        panel_height: (20.0 * families as f64).max(120.0),
        x_label: "how often the higher value fares better; 0.5 is chance".into(),
        shared_x: true,
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn panel(score: &Ordering) -> Panel {
    let mut marks = vec![Mark::Vertical { x: 0.5, pen: Pen::dashed(REFERENCE, 2.5) }];
    let mut sides = [0, 0];
    for (place, (_, concordance, p)) in score.families.iter().enumerate() {
        let (y, is_high) = (place as f64, concordance.point() > 0.5);
        let is_shown = is_shown(*p);
        sides[usize::from(is_high)] += usize::from(is_shown);
        let colour = SIDES[usize::from(is_high)];
        let (shape, width) = if is_shown { (MarkerShape::Circle, 5.0) } else { (MarkerShape::Ring, 2.0) };
        if let Ok(interval) = concordance.interval() {
            marks.push(Mark::Line {
                points: vec![(interval.low, y), (interval.high, y)],
                pen: Pen::solid(colour, width),
            });
        }
        let points = vec![(concordance.point(), y)];
        marks.push(Mark::Points { points, colour, shape, size: 9.0 });
    }
    let note = match sides {
        [0, 0] => "significant in no method".to_owned(),
        [low, 0] => format!("low values are good in {low}"),
        [0, high] => format!("high values are good in {high}"),
        [low, high] => format!("low values are good in {low}, high ones in {high}"),
    };
    let rows = score.families.iter().map(|(name, ..)| Row { label: name.clone(), note: String::new() });
    let y = Axis { scale: Scale::Rows(rows.collect()), ..Axis::default() };
    Panel { title: score.indicator.title.clone(), note, x: Axis::linear(0.0, 1.0), y, marks }
}

fn is_shown(p: Result<f64, Undefined>) -> bool {
    p.is_ok_and(|p| p < LEVEL)
}
