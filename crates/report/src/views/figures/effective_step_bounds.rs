//! Effective step against every bound: what each schedule had to decide on.

use crate::evidence::Evidence;
use crate::plot::data::{Axis, Key, Mark, Panel, Pen, Plot, line_values};
use crate::plot::style::{STEP_PEN, bound_pen};
use crate::results::{EFFECTIVE_STEP, RecordedRun};
use crate::views::figures::figure::{Drawing, Figure, panel_height, update_axis};
use crate::wording::seeds;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "effective_step_bounds",
    title: "Effective step against its bounds",
    caption: "Adam's effective step in each layer, and every bound on it that was measured. The prediction is that \
              training suffers where the black line lies above the wide red one, the combined bound, under the others. The plug-in noise \
              bound reads about 1 where the gradient is nothing but noise; the debiased one reads about 0 there. \
              Values outside of the axis, and bounds at or below zero, lie on its edge; a line is interrupted where \
              its bound is undefined in most of the window.",
    absent: "",
    draw,
};

/// Measured updates in the rolling median, the window of docs/method.md, section 2.4.
const WINDOW: usize = 30;
const MOST_POINTS: usize = 160;
/// No axis goes beyond these.
const LIMITS: (f64, f64) = (1e-4, 1e6);

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    evidence.methods.iter().map(|method| draw_method(evidence, method)).collect()
}

fn draw_method(evidence: &Evidence, method: &String) -> Drawing {
    let layers = evidence.layers(&[method]);
    let bounds = &evidence.sweep.glossary.bounds;
    // In the order of painting: wide lines at the bottom, since one often lies on another; the step on top.
    let mut lines: Vec<(&str, Pen)> = bounds.iter().map(|bound| (bound.column.as_str(), bound_pen(bound))).collect();
    lines.sort_by(|(_, left), (_, right)| right.width.total_cmp(&left.width));
    lines.push((EFFECTIVE_STEP, STEP_PEN));
    let schedules: Vec<_> = evidence.schedules.iter().filter(|s| !evidence.arm(method, s).is_empty()).collect();
    let mut panels = Vec::new();
    for schedule in &schedules {
        let runs = evidence.arm(method, schedule);
        for layer in &layers {
            let line = |&(column, pen): &(&str, Pen)| Mark::Line { points: rolling_median(&runs, layer, column), pen };
            let marks = lines.iter().map(line).collect();
            let title = format!("{schedule} · {layer}");
            panels.push(Panel { title, x: update_axis(evidence), marks, ..Panel::default() });
        }
    }
    let y = common_axis(&panels);
    panels.iter_mut().for_each(|panel| panel.y = y.clone());
    let n = seeds(&Vec::from_iter(schedules.iter().map(|schedule| evidence.arm(method, schedule).len())));
    let step = Key::line("effective step", STEP_PEN);
    let bounds = bounds.iter().map(|bound| Key::line(&bound.label, bound_pen(bound)));
    let plot = Plot {
        title: format!("{}: {method}", FIGURE.title),
        subtitle: format!(
            "Rolling median over {WINDOW} measured updates, pooled over n = {n}. The axis holds the middle 98 % of the \
             lines, within 10⁻⁴ to 10⁶; what lies outside is drawn on its edge."
        ),
        legend: std::iter::once(step).chain(bounds).collect(),
        columns: layers.len().max(1),
        panel_height: panel_height(panels.len(), layers.len(), 260.0),
        panels,
        x_label: "update".into(),
        y_label: "step and bounds (log scale)".into(),
        shared_x: true,
        shared_y: true,
    };
    Drawing { suffix: format!("-{method}"), plot }
}

/// From the 1st to the 99th percentile of the positive values, widened to whole decades.
fn common_axis(panels: &[Panel]) -> Axis {
    let values = line_values(panels.iter().flat_map(|panel| &panel.marks));
    let mut values: Vec<f64> = values.filter(|value| *value > 0.0 && value.is_finite()).collect();
    if values.is_empty() {
        return Axis::log(LIMITS.0, 1.0);
    }
    values.sort_by(f64::total_cmp);
    let quantile = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize].clamp(LIMITS.0, LIMITS.1);
    let low = 10f64.powf(quantile(0.01).log10().floor());
    let high = 10f64.powf(quantile(0.99).log10().ceil());
    Axis::log(low, if high > low { high } else { low * 10.0 })
}

/// The median over a centred window of measured updates and over runs, where at least half of the values are defined.
fn rolling_median(runs: &[&RecordedRun], layer: &str, column: &str) -> Vec<(f64, f64)> {
    let traces: Vec<_> = runs.iter().filter_map(|run| run.trace(layer)).collect();
    let length = traces.iter().map(|trace| trace.column(column).len()).min().unwrap_or(0);
    let stride = length.div_ceil(MOST_POINTS).max(1);
    let mut window = Vec::new();
    let median_at = |i: usize| {
        let (from, to) = (i.saturating_sub(WINDOW / 2), (i + WINDOW / 2).min(length));
        window.clear();
        let values = traces.iter().flat_map(|trace| &trace.column(column)[from..to]);
        window.extend(values.filter(|value| !value.is_nan()));
        let enough = 2 * window.len() >= traces.len() * (to - from) && !window.is_empty();
        let middle = window.len() / 2;
        let median = if enough { *window.select_nth_unstable_by(middle, f64::total_cmp).1 } else { f64::NAN };
        (traces[0].updates[i] as f64, median)
    };
    (0..length).step_by(stride).map(median_at).collect()
}
