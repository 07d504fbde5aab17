//! How many runs of a schedule reach how much, over all methods.

use trainability_stats::Undefined;

use crate::evidence::Evidence;
use crate::plot::data::{Key, Mark, Panel, Plot};
use crate::plot::style::schedule_pen;
use crate::views::figures::figure::{Drawing, Figure, share_axis};
use crate::wording::seeds;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "performance_profile",
    title: "Performance profile of each schedule over all methods",
    caption: "The share of a schedule's runs whose mean online accuracy exceeds each value: a curve that lies above \
              another at every value is better however runs are summed up, and curves that cross help some runs and \
              harm others. Bands are 95 % jackknife intervals over seeds, each at its value alone; no band means \
              that no seed changes the share, not that it is certain.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let compared = &evidence.compared_schedules;
    if compared.len() < 2 {
        return Vec::new();
    }
    let pen = |schedule: &str| schedule_pen(schedule, &evidence.schedules);
    let mut marks = Vec::new();
    for summary in compared {
        let band = summary.profile.iter().map(|point| {
            // Where no seed changes the share the band is as thin as the line; an interval that is unknown leaves a gap.
            let ends = match point.interval {
                Ok(interval) => (interval.low, interval.high),
                Err(Undefined::NoSpread) => (point.share, point.share),
                Err(_) => (f64::NAN, f64::NAN),
            };
            (point.tau, ends.0, ends.1)
        });
        marks.push(Mark::Band { points: band.collect(), colour: pen(&summary.schedule).colour });
    }
    for summary in compared {
        let points = summary.profile.iter().map(|point| (point.tau, point.share)).collect();
        marks.push(Mark::Line { points, pen: pen(&summary.schedule) });
    }
    let legend = compared.iter().map(|summary| {
        let mean = summary.interquartile_mean.map_or("undefined".into(), |mean| format!("{:.3}", mean.point()));
        Key::line(format!("{}: IQM {mean}", summary.schedule), pen(&summary.schedule))
    });
    let methods = compared[0].methods.join(", ");
    let runs = |pick: fn(usize, usize) -> usize| compared.iter().map(|summary| summary.runs).reduce(pick).unwrap_or(0);
    let (least, most) = (runs(usize::min), runs(usize::max));
    let runs = if least < most { format!("{least} to {most}") } else { most.to_string() };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Over {methods}; n = {runs} runs a schedule, {} each. IQM is the interquartile mean.",
            seeds(&evidence.seeds())
        ),
        legend: legend.collect(),
        columns: 1,
        panel_height: 560.0,
        panels: vec![Panel { y: share_axis(), marks, ..Panel::default() }],
        x_label: "mean online accuracy of a run".into(),
        y_label: "share of runs above it".into(),
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}
