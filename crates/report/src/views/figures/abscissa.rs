//! Accuracy against something that was varied from arm to arm: what the figures of sensitivity and ablation share.

use std::collections::BTreeMap;

use serde_json::Value;
use trainability_stats::Interval;
use trainability_stats::aggregate::mean;
use trainability_stats::gaps::all_defined;
use trainability_stats::jackknife::mean_over_seeds;

use crate::evidence::Evidence;
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Plot};
use crate::plot::style::schedule_pen;
use crate::results::RecordedRun;
use crate::setting::without;
use crate::views::figures::figure::{Drawing, Figure, panel_height, share_axis};
use crate::views::figures::online_accuracy::{CEILING_LABEL, ceiling_pen};
use crate::wording::seeds;

/// What is varied, and how its figure is laid out.
pub(super) struct Abscissa {
    /// The key that a grid would name.
    pub key: &'static str,
    /// Its value in a run.
    pub value: fn(&RecordedRun) -> Option<f64>,
    /// The schedule that a run's belongs to, whatever the value.
    pub schedule: fn(&RecordedRun) -> String,
    /// What each method is drawn by, a panel each.
    pub scores: &'static [Score],
    /// Panels beside each other, at most.
    pub columns: usize,
    /// Height of a panel in pixels, where there are few.
    pub height: f64,
    pub x_label: &'static str,
    pub y_label: &'static str,
}

/// A heading, and what it reads of a run's accuracies by task.
pub(super) type Score = (&'static str, fn(&[f64]) -> Option<f64>);

/// The runs of one method and everything else that is not varied: by schedule, then by value.
struct Course<'a> {
    /// The method.
    method: String,
    /// By schedule: the value, and the runs with it.
    lines: BTreeMap<String, Vec<(f64, Vec<&'a RecordedRun>)>>,
}

/// Every method under which some schedule was run with two values or more, and of it these schedules.
fn courses<'a>(evidence: &'a Evidence, abscissa: &Abscissa) -> Vec<Course<'a>> {
    let mut found: Vec<(Option<String>, Course<'a>)> = Vec::new();
    for run in evidence.sweep.finished().filter(|run| !evidence.is_ceiling(&run.arm.method)) {
        let (Some(value), Some(record)) = ((abscissa.value)(run), &run.record) else { continue };
        // The label that it was run under: one that tells sweeps apart would tear apart what is compared.
        let method = without(&record.method, &evidence.grid_keys, abscissa.key);
        let rest = rest(run, abscissa.key);
        let known = found.iter().position(|(other, course)| *other == rest && course.method == method);
        let place = known.unwrap_or_else(|| {
            found.push((rest, Course { method, lines: BTreeMap::new() }));
            found.len() - 1
        });
        let points = found[place].1.lines.entry((abscissa.schedule)(run)).or_default();
        match points.iter_mut().find(|(other, _)| *other == value) {
            Some((_, runs)) => runs.push(run),
            None => points.push((value, vec![run])),
        }
    }
    let mut courses: Vec<Course> = found.into_iter().map(|(_, course)| course).collect();
    for course in &mut courses {
        course.lines.retain(|_, points| points.len() > 1);
        course.lines.values_mut().for_each(|points| points.sort_by(|left, right| left.0.total_cmp(&right.0)));
    }
    courses.retain(|course| !course.lines.is_empty());
    courses
}

/// The options that two points of a line share, as text: all but the varied one, the schedule's, the seed and what is
/// measured, which changes no training.
fn rest(run: &RecordedRun, key: &str) -> Option<String> {
    let mut options = run.record.as_ref()?.options.clone();
    for unrelated in ["seed", "schedule", "measure"] {
        options.as_object_mut()?.shift_remove(unrelated);
    }
    if let Some((section, name)) = key.split_once('.')
        && let Some(Value::Object(section)) = options.get_mut(section)
    {
        section.shift_remove(name);
    }
    Some(options.to_string())
}

/// The figure; nothing where no schedule was run with two values.
pub(super) fn draw(figure: &Figure, evidence: &Evidence, abscissa: &Abscissa) -> Vec<Drawing> {
    let courses = courses(evidence, abscissa);
    if courses.is_empty() {
        return Vec::new();
    }
    let points = || courses.iter().flat_map(|course| course.lines.values().flatten());
    let x = Axis::log_around(points().map(|(value, _)| *value));
    let mut panels = Vec::new();
    for course in &courses {
        for (heading, score) in abscissa.scores {
            let method = course.method.clone();
            panels.push(Panel {
                title: if heading.is_empty() { method } else { format!("{method} · {heading}") },
                x: x.clone(),
                y: share_axis(),
                marks: marks(evidence, course, *score),
                ..Panel::default()
            });
        }
    }
    let plot = Plot {
        title: figure.title.into(),
        subtitle: format!(
            "Points are means over seeds, bands their 95 % jackknife intervals over seeds; {} a point.",
            seeds(&Vec::from_iter(points().map(|(_, runs)| runs.len())))
        ),
        legend: legend(evidence, &courses),
        columns: panels.len().clamp(1, abscissa.columns),
        panel_height: panel_height(panels.len(), abscissa.columns, abscissa.height),
        panels,
        x_label: abscissa.x_label.into(),
        y_label: abscissa.y_label.into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}

/// The lines of one method with their intervals over seeds; `score` reads a run's accuracies by task.
fn marks(evidence: &Evidence, course: &Course, score: fn(&[f64]) -> Option<f64>) -> Vec<Mark> {
    let (mut bands, mut lines) = (Vec::new(), Vec::new());
    for (schedule, points) in &course.lines {
        let pen = schedule_pen(schedule, &evidence.schedules);
        let (mut line, mut band) = (Vec::new(), Vec::new());
        for (value, runs) in points {
            let scores: Vec<f64> = runs.iter().filter_map(|run| of_run(run, score)).collect();
            let Ok(mean) = mean_over_seeds(Interval::SHARE, &scores) else { continue };
            line.push((*value, mean.point()));
            let ends = mean.interval().map_or((f64::NAN, f64::NAN), |interval| (interval.low, interval.high));
            band.push((*value, ends.0, ends.1));
        }
        bands.push(Mark::Band { points: band, colour: pen.colour });
        lines.push(Mark::Line { points: line.clone(), pen });
        lines.push(Mark::Points { points: line, colour: pen.colour, shape: MarkerShape::Circle, size: 7.0 });
    }
    ceiling(evidence, course, score).into_iter().chain(bands).chain(lines).collect()
}

/// The line of a network that is reset at every task.
fn ceiling(evidence: &Evidence, course: &Course, score: fn(&[f64]) -> Option<f64>) -> Option<Mark> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (value, runs) in course.lines.values().flatten() {
        let Some(Some(arm)) = evidence.event.references.get(&runs[0].arm) else { continue };
        let scores: Vec<f64> =
            evidence.arm(&arm.method, &arm.schedule).into_iter().filter_map(|run| of_run(run, score)).collect();
        if let Ok(mean) = mean(&scores)
            && !points.iter().any(|(other, _)| other == value)
        {
            points.push((*value, mean));
        }
    }
    points.sort_by(|left, right| left.0.total_cmp(&right.0));
    (points.len() > 1).then_some(Mark::Line { points, pen: ceiling_pen() })
}

/// The keys of the schedules of all lines, in the sweep's order, and of the ceiling if there is one.
fn legend(evidence: &Evidence, courses: &[Course]) -> Vec<Key> {
    let mut names: Vec<&String> = courses.iter().flat_map(|course| course.lines.keys()).collect();
    let place = |name: &String| evidence.schedules.iter().position(|schedule| schedule == name);
    names.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), *name));
    names.dedup();
    let ceiling = (!evidence.ceilings.is_empty()).then(|| Key::line(CEILING_LABEL, ceiling_pen()));
    let key = |name: &String| Key::line(name, schedule_pen(name, &evidence.schedules));
    names.into_iter().map(key).chain(ceiling).collect()
}

fn of_run(run: &RecordedRun, score: fn(&[f64]) -> Option<f64>) -> Option<f64> {
    score(&all_defined(run.series.online_accuracy())?)
}
