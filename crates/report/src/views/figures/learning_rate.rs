//! Learning rate by update: what the schedules did, layer by layer.

use trainability_record::controls::LayerSeries;

use crate::evidence::Evidence;
use crate::plot::data::{Axis, Mark, Panel, Pen, Plot, line_values};
use crate::plot::style::schedule_pen;
use crate::results::RecordedRun;
use crate::series::CONTROL;
use crate::views::figures::figure::{
    Drawing, Figure, by_layer, figure_n, panel_height, schedule_keys, unfinished_note, unfinished_pen, update_axis,
};
use crate::wording::distinct;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "learning_rate",
    title: "Learning rate by update, layer by layer",
    caption: "What each schedule made of the learning rate. A schedule that lies on the constant line never fired: \
              its arm is the control once more, not a result. Along a line of several colours in turn, schedules \
              coincide throughout the panel. Methods that ran under the constant schedule alone \
              are left out.",
    absent: "",
    draw,
};

const MOST_POINTS: usize = 600;

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let schedules = evidence.shown_schedules();
    let unfinished = |method: &str, schedule: &str| evidence.unfinished_arm(method, schedule);
    let was_run = |method: &str, schedule: &str| {
        !evidence.arm(method, schedule).is_empty() || !unfinished(method, schedule).is_empty()
    };
    let all = distinct(evidence.methods.iter().chain(evidence.sweep.unfinished().map(|run| &run.arm.method)));
    let scheduled = |method: &&String| schedules.iter().filter(|schedule| was_run(method, schedule)).count() > 1;
    let mut methods: Vec<_> = all.iter().copied().filter(scheduled).collect();
    if methods.is_empty() {
        methods = all;
    }
    let layers = evidence.layers(&methods);
    let mut panels = Vec::new();
    for method in &methods {
        for layer in &layers {
            let curves = evidence.schedules.iter().map(|schedule| RateCurve {
                points: mean_rate(&evidence.arm(method, schedule), layer),
                pens: vec![schedule_pen(schedule, &evidence.schedules)],
                control: schedule == CONTROL,
            });
            let so_far = schedules.iter().flat_map(|schedule| {
                let pen = unfinished_pen(schedule_pen(schedule, &schedules));
                let curve = move |run| RateCurve { points: mean_rate(&[run], layer), pens: vec![pen], control: false };
                unfinished(method, schedule).into_iter().map(curve)
            });
            let marks = lines(curves.chain(so_far));
            let title = format!("{method} · {layer}");
            panels.push(Panel { title, x: update_axis(evidence), marks, ..Panel::default() });
        }
    }
    let y = Axis::log_around(line_values(panels.iter().flat_map(|panel| &panel.marks)));
    panels.iter_mut().for_each(|panel| panel.y = y.clone());
    let (columns, panels) = by_layer(layers.len(), panels);
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!("Geometric mean over seeds. {}.{}", figure_n(evidence), unfinished_note(evidence)),
        legend: schedule_keys(evidence),
        columns,
        panel_height: panel_height(panels.len(), columns, 190.0),
        panels,
        x_label: "update".into(),
        y_label: "learning rate (log scale)".into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}

/// A schedule's learning rates, or those of several that are the same.
struct RateCurve {
    points: Vec<(f64, f64)>,
    pens: Vec<Pen>,
    control: bool,
}

/// Curves as lines; those that are the same in all their points share one. The control keeps its own, a wide one below
/// the others.
fn lines(curves: impl Iterator<Item = RateCurve>) -> Vec<Mark> {
    let mut apart: Vec<RateCurve> = Vec::new();
    for curve in curves {
        let same = |other: &&mut RateCurve| !curve.control && !other.control && other.points == curve.points;
        match apart.iter_mut().find(same) {
            Some(other) => other.pens.extend(curve.pens),
            None => apart.push(curve),
        }
    }
    let mark = |RateCurve { points, pens, .. }| match pens[..] {
        [pen] => Mark::Line { points, pen },
        _ => Mark::Shared { points, pens },
    };
    apart.into_iter().map(mark).collect()
}

/// The geometric mean over runs at each measured update, thinned to what an image can show.
fn mean_rate(runs: &[&RecordedRun], layer: &str) -> Vec<(f64, f64)> {
    let traces: Vec<&LayerSeries> = runs.iter().filter_map(|run| run.trace(layer)).collect();
    let length = traces.iter().map(|trace| trace.updates.len()).min().unwrap_or(0);
    let stride = length.div_ceil(MOST_POINTS).max(1);
    let at = |i: usize| {
        let sum: f64 = traces.iter().map(|trace| trace.learning_rates[i].ln()).sum();
        (traces[0].updates[i] as f64, (sum / traces.len() as f64).exp())
    };
    (0..length).step_by(stride).map(at).collect()
}

#[cfg(test)]
mod tests {
    use plotters::style::RGBColor;

    use super::*;

    #[test]
    fn schedules_that_coincide_share_a_line_and_the_control_keeps_its_own() {
        let pen = |shade: u8| Pen::solid(RGBColor(shade, 0, 0), 3.0);
        let flat = vec![(10.0, 1e-3), (20.0, 1e-3)];
        let fall = vec![(10.0, 1e-3), (20.0, 5e-4)];
        let curves = [&flat, &fall, &flat, &fall, &fall].into_iter().zip(0..);
        let marks = lines(curves.map(|(points, place)| RateCurve {
            points: points.clone(),
            pens: vec![pen(place)],
            control: place == 0,
        }));
        let [Mark::Line { pen: control, .. }, Mark::Shared { points, pens }, Mark::Line { points: idle, pen: last }] =
            &marks[..]
        else {
            panic!("{marks:?}")
        };
        assert_eq!((*control, *last, idle), (pen(0), pen(2), &flat));
        assert_eq!((points, &pens[..]), (&fall, &[pen(1), pen(3), pen(4)][..]));
    }
}
