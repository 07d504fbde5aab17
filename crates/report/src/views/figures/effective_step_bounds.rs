//! Effective step against every bound: what each schedule had to decide on.

use plotters::style::RGBColor;
use trainability_record::glossary::DescribedBound;

use crate::evidence::Evidence;
use crate::evidence::claims::roles::ScheduleRole;
use crate::plot::data::{Axis, Key, Mark, Panel, Pen, Plot, line_values};
use crate::plot::style::{STEP_PEN, bound_pen};
use crate::results::RecordedRun;
use crate::series::EFFECTIVE_STEP;
use crate::views::figures::figure::{Drawing, Figure, by_layer, panel_height, update_axis};
use crate::wording::seeds;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "effective_step_bounds",
    title: "Where the effective step exceeds the combined bound",
    caption: "The effective step in each layer, the combined bound on it, and the two parts of that bound. The theory says that \
              training suffers where the step lies above the bound: there the space between them is filled, and each panel says at \
              what share of the measured updates. Where the thin noise bound runs inside the wide combined bound, the two are the same. \
              Values outside of the axis lie on its edge; a line is interrupted where \
              its bound is undefined in most of the window.",
    absent: "",
    draw,
};

/// Measured updates in the rolling median, the window of docs/method.md, section 2.4.
const WINDOW: usize = 30;
const MOST_POINTS: usize = 160;
/// The space between bound and step where the step is above.
const EXCESS: RGBColor = RGBColor(0xcc, 0x00, 0x00);
/// No axis goes beyond these.
const LIMITS: (f64, f64) = (1e-4, 1e6);

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    evidence.trained_methods().into_iter().map(|method| draw_method(evidence, method)).collect()
}

fn draw_method(evidence: &Evidence, method: &String) -> Drawing {
    let layers = evidence.layers(&[method]);
    let shown = |bound: &&DescribedBound| SHOWN.contains(&bound.column.as_str());
    let bounds: Vec<&DescribedBound> = evidence.sweep.glossary.bounds.iter().filter(shown).collect();
    // In the order of painting: wide lines at the bottom, since one often lies on another; the step on top.
    let mut lines: Vec<(&str, Pen)> = bounds.iter().map(|bound| (bound.column.as_str(), bound_pen(bound))).collect();
    lines.sort_by(|(_, left), (_, right)| right.width.total_cmp(&left.width));
    lines.push((EFFECTIVE_STEP, STEP_PEN));
    let schedules = schedules_of(evidence, method);
    let mut panels = Vec::new();
    for schedule in &schedules {
        let runs = evidence.arm(method, schedule);
        for layer in &layers {
            let line = |&(column, pen): &(&str, Pen)| Mark::Line { points: rolling_median(&runs, layer, column), pen };
            let [step, bound] = [EFFECTIVE_STEP, COMBINED].map(|column| rolling_median(&runs, layer, column));
            let mut marks = vec![Mark::Band { points: excess(&step, &bound), colour: EXCESS }];
            marks.extend(lines.iter().map(line));
            let (title, note) = (format!("{schedule} · {layer}"), share_above(&runs, layer));
            panels.push(Panel { title, note, x: update_axis(evidence), marks, ..Panel::default() });
        }
    }
    // Medians may stay below where single updates do not.
    let is_filled =
        |mark: &Mark| matches!(mark, Mark::Band { points, .. } if points.iter().any(|point| !point.1.is_nan()));
    let exceeds = panels.iter().flat_map(|panel| &panel.marks).any(is_filled);
    let y = common_axis(&panels);
    panels.iter_mut().for_each(|panel| panel.y = y.clone());
    let (columns, panels) = by_layer(layers.len(), panels);
    let n = seeds(&Vec::from_iter(schedules.iter().map(|schedule| evidence.arm(method, schedule).len())));
    let step = Key::line("effective step", STEP_PEN);
    let bounds = bounds.iter().map(|bound| Key::line(&bound.label, bound_pen(bound)));
    let plot = Plot {
        title: format!("{}: {method}", FIGURE.title),
        subtitle: format!(
            "Rolling median over {WINDOW} measured updates, pooled over n = {n}. The axis holds the middle 98 % of the \
             lines, within 10⁻⁴ to 10⁶; what lies outside is drawn on its edge."
        ),
        legend: std::iter::once(step)
            .chain(bounds)
            .chain(exceeds.then(|| Key::filled("step above the bound", EXCESS)))
            .collect(),
        columns,
        panel_height: panel_height(panels.len(), columns, 260.0),
        panels,
        x_label: "update".into(),
        y_label: "step and bounds (log scale)".into(),
        shared_x: true,
        shared_y: true,
    };
    Drawing { suffix: format!("-{method}"), plot }
}

/// The bound in question, and what it is made of.
const COMBINED: &str = "combined_bound";
const SHOWN: [&str; 3] = [COMBINED, "noise_bound", "volatility_bound"];

/// The base rate and the scheduler in its forms; of a sweep without them, every schedule.
fn schedules_of<'e>(evidence: &'e Evidence, method: &str) -> Vec<&'e String> {
    let all: Vec<&String> = evidence.schedules.iter().filter(|s| !evidence.arm(method, s).is_empty()).collect();
    let is_asked_about = |schedule: &&&String| {
        matches!(evidence.roles.get(**schedule), Some(ScheduleRole::BaseConstant | ScheduleRole::Scheduler))
    };
    let asked: Vec<&String> = all.iter().filter(is_asked_about).copied().collect();
    if asked.is_empty() { all } else { asked }
}

/// Where the step exceeds the bound: from the bound to the step; interrupted elsewhere.
fn excess(step: &[(f64, f64)], bound: &[(f64, f64)]) -> Vec<(f64, f64, f64)> {
    let above = |((update, step), (_, bound)): (&(f64, f64), &(f64, f64))| {
        if step > bound { (*update, *bound, *step) } else { (*update, f64::NAN, f64::NAN) }
    };
    step.iter().zip(bound).map(above).collect()
}

/// At what share of measured updates of all runs the step lies above the bound.
fn share_above(runs: &[&RecordedRun], layer: &str) -> String {
    let (mut above, mut all) = (0, 0);
    for trace in runs.iter().filter_map(|run| run.trace(layer)) {
        for (step, bound) in trace.column(EFFECTIVE_STEP).iter().zip(trace.column(COMBINED)) {
            all += usize::from(!step.is_nan() && !bound.is_nan());
            above += usize::from(step > bound);
        }
    }
    if all == 0 {
        "never both defined".into()
    } else {
        format!("above at {:.0} % of updates", 100.0 * above as f64 / all as f64)
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use trainability_record::controls::LayerSeries;

    use super::*;
    use crate::tests::synthetic::{options, run};

    #[test]
    fn a_step_above_its_bound_is_counted_and_filled() {
        let columns =
            [(EFFECTIVE_STEP, vec![1.0, 2.0, 3.0, f64::NAN, 4.0]), (COMBINED, vec![2.0, 1.0, f64::INFINITY, 1.0, 3.0])];
        let trace = LayerSeries {
            layer: "fc1".into(),
            tasks: vec![0; 5],
            updates: (1..=5).collect(),
            learning_rates: vec![0.1; 5],
            columns: columns
                .iter()
                .map(|(name, values)| ((*name).to_owned(), values.clone()))
                .collect::<BTreeMap<_, _>>(),
        };
        let mut run = run("relu", "constant", 0, options("relu", 1));
        run.traces.push(trace);
        // Of four updates at which both are known, the second and the last.
        assert_eq!(share_above(&[&run], "fc1"), "above at 50 % of updates");
        assert_eq!(share_above(&[&run], "fc2"), "never both defined");
        let points = |values: [f64; 3]| (0..3).map(f64::from).zip(values).collect::<Vec<_>>();
        let filled = excess(&points([1.0, 2.0, 3.0]), &points([2.0, 1.0, f64::NAN]));
        assert_eq!(filled[1], (1.0, 1.0, 2.0));
        assert!(filled[0].1.is_nan() && filled[2].1.is_nan());
    }
}
