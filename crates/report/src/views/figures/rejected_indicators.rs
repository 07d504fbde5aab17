//! The single indicators that the paper rejects, each against the accuracy that followed.

use trainability_record::glossary::DescribedIndicator;
use trainability_stats::correlation::spearman;

use crate::evidence::Evidence;
use crate::plot::axis::extent;
use crate::plot::data::{Axis, Key, Mark, Panel, Plot};
use crate::plot::style::method_point;
use crate::views::figures::figure::{Drawing, Figure, share_axis};
use crate::wording::counted;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "rejected_indicators",
    title: "Rejected indicators at a task against accuracy on the next",
    caption: "Each point is one task of one run: the indicator over task k, and the online accuracy of task k + 1. An \
              indicator that explains trainability by itself would draw one curve through all methods. Separate \
              clouds at the same value of the indicator are the paper's objection. Spearman's correlation pools all \
              points; tasks of one run are not independent, so that n overstates what is known.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let schedule = evidence.control();
    let panels: Vec<_> = evidence.rejected().filter_map(|indicator| panel(evidence, &schedule, indicator)).collect();
    let mut methods = evidence.trained_methods();
    methods.retain(|method| !evidence.arm(method, &schedule).is_empty());
    let runs = methods.iter().map(|method| evidence.arm(method, &schedule).len()).sum();
    let keys = methods.into_iter().map(|method| {
        let (colour, shape) = method_point(method, &evidence.methods);
        Key::point(method, colour, shape)
    });
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "A point is a task of a run under the schedule {schedule}, {}. n is the number of points.",
            counted(runs, "run")
        ),
        legend: keys.collect(),
        columns: 3,
        panels,
        panel_height: 300.0,
        x_label: "indicator at task k, in its own unit".into(),
        y_label: "online accuracy at task k + 1".into(),
        shared_y: true,
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn panel(evidence: &Evidence, schedule: &str, indicator: &DescribedIndicator) -> Option<Panel> {
    let (mut all_x, mut all_y, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for method in evidence.trained_methods() {
        let mut points = Vec::new();
        for run in evidence.arm(method, schedule) {
            points.extend(run.series.before_next(&indicator.name).filter(|(x, y)| x.is_finite() && y.is_finite()));
        }
        all_x.extend(points.iter().map(|p| p.0));
        all_y.extend(points.iter().map(|p| p.1));
        let (colour, shape) = method_point(method, &evidence.methods);
        marks.push(Mark::Points { points, colour, shape, size: 6.0 });
    }
    let (low, high) = extent(all_x.iter().copied())?;
    let x = if low > 0.0 && high / low > 50.0 { Axis::log_around(all_x.clone()) } else { Axis::around(all_x.clone()) };
    let note = match spearman(&all_x, &all_y) {
        Ok(rho) => format!("Spearman {rho:+.2}, n = {}", all_x.len()).replace('-', "−"),
        Err(reason) => format!("Spearman undefined ({reason}), n = {}", all_x.len()),
    };
    Some(Panel { title: indicator.title.clone(), note, x, y: share_axis(), marks })
}
