//! What a paper reports beside what the sweep has: accuracy by task, and learning rates.

use trainability_record::controls::LayerSeries;
use trainability_stats::gaps::defined;

use crate::evidence::against::Against;
use crate::evidence::against::matching::MatchedArm;
use crate::evidence::against::paper::{Over, Reported, ReportedAt};
use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Axis, Key, Mark, MarkerShape, Panel, Pen, Plot};
use crate::plot::style::{INK, schedule_pen};
use crate::results::RecordedRun;
use crate::series::CONTROL;
use crate::views::against::{apart, method_of};
use crate::views::figures::figure::{
    Drawing, Figure, accuracy_of, panel_height, unfinished_key, unfinished_note, unfinished_pen,
};
use crate::views::figures::online_accuracy::{CEILING_LABEL, ceiling_pen};
use crate::wording::{distinct, seeds};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "against",
    title: "Beside what the paper reports",
    caption: "Rings are the paper's values, lines ours in the same colour: means over seeds with their 95 % intervals. A ring on its line \
              is a value that comes out again. The axis of tasks is logarithmic, for the paper's values lie near its begin; the tables \
              say where the settings differ, and which rings lie within the spread of our seeds. A rate that the paper has after so many \
              control events stands where our runs have had as many.",
    absent: "",
    draw,
};

/// The quantity of the first image.
const ACCURACY: &str = "online_accuracy";
/// The quantity of the second.
const RATE: &str = "learning_rate";
/// Points of a line.
const MOST_POINTS: usize = 600;

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let Some(against) = &evidence.against else { return Vec::new() };
    let accuracy = Image::of(evidence, against, ACCURACY, "");
    let tasks = accuracy.reports().flat_map(|report| &report.values).map(|(moment, _)| last_task(*moment));
    let x = Axis::counts(tasks.max().unwrap_or(0).max(evidence.first_task + evidence.shown_tasks()));
    let mut panels = accuracy.panels(|shown, report| accuracy_marks(evidence, shown, report));
    let values = || panels.iter().flat_map(|panel| &panel.marks).flat_map(mark_values);
    // Accuracies of other tasks than these are seldom near 1, and differences are what is looked at.
    let high = (values().fold(0.0, f64::max) * 10.0).ceil() / 10.0;
    panels
        .iter_mut()
        .for_each(|panel| (panel.x, panel.y) = (x.clone(), Axis::linear(-0.01, high.clamp(0.1, 1.0) + 0.02)));
    let mut drawings = vec![accuracy.drawing("", ["task (log scale)", "online accuracy"], panels, None)];

    let layers =
        distinct(against.paper.reports.iter().filter(|report| report.quantity == RATE).map(|report| &report.layer));
    for layer in layers.into_iter().flatten() {
        let rates = Image::of(evidence, against, RATE, layer);
        let mut panels = rates.panels(|shown, report| rate_marks(evidence, shown, report, layer));
        let marks = || panels.iter().flat_map(|panel| &panel.marks);
        let x = Axis::log_around(marks().flat_map(mark_points).map(|point| point.0));
        let y = Axis::log_around(marks().flat_map(mark_values));
        panels.iter_mut().for_each(|panel| (panel.x, panel.y) = (x.clone(), y.clone()));
        let label = format!("learning rate of {layer} (log scale)");
        let base = Key::line("base rate", base_pen(evidence));
        let labels = ["tasks done (log scale)", &label];
        drawings.push(rates.drawing(&format!("-{RATE}-{layer}"), labels, panels, Some(base)));
    }
    drawings
}

/// One image: the reports on one quantity, by panels.
struct Image<'e> {
    evidence: &'e Evidence,
    against: &'e Against,
    shown: Vec<PanelContent<'e>>,
}

/// A panel: a method at a base rate, and what is common to its arms but not to all of the method's.
struct PanelContent<'e> {
    title: String,
    /// The reports, each with its arms.
    reports: Vec<(&'e Reported, Vec<&'e MatchedArm>)>,
}

impl<'e> Image<'e> {
    fn of(evidence: &'e Evidence, against: &'e Against, quantity: &str, layer: &str) -> Self {
        let of_it = |report: &Reported| report.quantity == quantity && report.layer.as_deref().unwrap_or("") == layer;
        let all = against.paper.reports.iter().zip(&against.arms);
        let reports: Vec<(&Reported, &Vec<MatchedArm>)> = all.filter(|(report, _)| of_it(report)).collect();
        let title = |report: &Reported| format!("{} at {:e}", method_of(report), report.learning_rate);
        let mut shown = Vec::new();
        for method in distinct(reports.iter().map(|(report, _)| title(report))) {
            let of_method: Vec<_> = reports.iter().filter(|(report, _)| title(report) == method).collect();
            let kinds = distinct(of_method.iter().flat_map(|(_, arms)| arms.iter()).map(beyond_the_schedule));
            for kind in kinds {
                let of_kind = |arms: &'e [MatchedArm]| -> Vec<&'e MatchedArm> {
                    arms.iter().filter(|arm| beyond_the_schedule(arm) == kind).collect()
                };
                let of_panel = of_method.iter().map(|(report, arms)| (*report, of_kind(arms)));
                // What nobody ran is shown where it is of the paper's usual setting.
                let reports = of_panel.filter(|(report, arms)| !arms.is_empty() || report.setting.is_empty()).collect();
                let title = if kind.is_empty() { method.clone() } else { format!("{method}, {kind}") };
                shown.push(PanelContent { title, reports });
            }
        }
        Image { evidence, against, shown }
    }

    fn reports(&self) -> impl Iterator<Item = &'e Reported> {
        self.shown.iter().flat_map(|panel| &panel.reports).map(|(report, _)| *report)
    }

    fn panels(&self, marks: impl Fn(&[&MatchedArm], &Reported) -> Vec<Mark>) -> Vec<Panel> {
        let panel = |content: &PanelContent| Panel {
            title: content.title.clone(),
            note: self.counts(content),
            // Rings above all lines.
            marks: {
                let all = content.reports.iter().flat_map(|(report, arms)| marks(arms, report));
                let (rings, lines): (Vec<Mark>, Vec<Mark>) = all.partition(|mark| matches!(mark, Mark::Points { .. }));
                lines.into_iter().chain(rings).collect()
            },
            ..Panel::default()
        };
        self.shown.iter().map(panel).collect()
    }

    /// Like `n = 3 seeds + 1 unfinished`: the finished seeds of the panel's arms, and the runs that have not finished.
    fn counts(&self, content: &PanelContent) -> String {
        let arms = distinct(content.reports.iter().flat_map(|(_, arms)| arms.iter()).map(|arm| &arm.arm));
        let finished: Vec<usize> = arms.iter().map(|arm| self.evidence.arm(&arm.method, &arm.schedule).len()).collect();
        let unfinished = arms.iter().map(|arm| self.evidence.unfinished_arm(&arm.method, &arm.schedule).len());
        match unfinished.sum::<usize>() {
            0 => format!("n = {}", seeds(&finished)),
            unfinished => format!("n = {} + {unfinished} unfinished", seeds(&finished)),
        }
    }

    /// The image; `more` are keys beside those of schedules and the paper.
    fn drawing(&self, suffix: &str, [x_label, y_label]: [&str; 2], panels: Vec<Panel>, more: Option<Key>) -> Drawing {
        let has_bands = panels.iter().flat_map(|panel| &panel.marks).any(|mark| matches!(mark, Mark::Band { .. }));
        let spread = if has_bands { " with 95 % interval" } else { "" };
        let kinds = distinct(self.reports().map(|report| report.schedule.as_str()));
        let line = |kind: &&str| {
            let label = if *kind == "reset" { CEILING_LABEL } else { *kind };
            Key::line(label, pen_of(self.evidence, kind))
        };
        let mut legend: Vec<Key> = kinds.iter().map(line).collect();
        let name = &self.against.paper.name;
        legend.push(Key::point(format!("{name}, in the same colours"), INK, MarkerShape::Ring));
        legend.extend(more);
        legend.extend(unfinished_key(self.evidence));
        let others = self.against.other_setting.iter();
        let others: Vec<&str> = others.map(|other| other.key.rsplit('.').next().unwrap_or(&other.key)).collect();
        let differs = match others[..] {
            [] => String::new(),
            _ => format!(" Not the paper's setting: other {}.", others.join(", ").replace('_', " ")),
        };
        let plot = Plot {
            title: format!("Beside what {name} reports"),
            subtitle: format!(
                "Lines are our means over seeds{spread}, rings are the paper's.{differs}{}",
                unfinished_note(self.evidence)
            ),
            legend,
            columns: panels.len().clamp(1, 3),
            panel_height: panel_height(panels.len(), 3, 330.0),
            panels,
            x_label: x_label.into(),
            y_label: y_label.into(),
            shared_x: true,
            shared_y: true,
        };
        Drawing { suffix: suffix.to_owned(), plot }
    }
}

/// What tells an arm apart from the others of its report, but for its schedule.
fn beyond_the_schedule(arm: &MatchedArm) -> String {
    apart(arm.apart.iter().filter(|difference| !difference.path.starts_with("schedule.")))
}

/// The colours of the first picture.
fn pen_of(evidence: &Evidence, kind: &str) -> Pen {
    match kind {
        "reset" => ceiling_pen(),
        kind => schedule_pen(kind, &evidence.shown_schedules()),
    }
}

/// The line of the rate that a schedule starts from.
fn base_pen(evidence: &Evidence) -> Pen {
    Pen { width: 2.0, ..schedule_pen(CONTROL, &evidence.schedules) }
}

fn last_task(moment: ReportedAt) -> usize {
    match moment {
        ReportedAt::Task(task) | ReportedAt::Updates(_, _, task) => task,
        ReportedAt::Event(_) | ReportedAt::Run => 0,
    }
}

/// The points of a mark that say how far an axis reaches.
fn mark_points(mark: &Mark) -> &[(f64, f64)] {
    match mark {
        Mark::Points { points, .. } => points,
        other => other.line(),
    }
}

fn mark_values(mark: &Mark) -> impl Iterator<Item = f64> {
    mark_points(mark).iter().map(|point| point.1).filter(|value| value.is_finite())
}

/// The paper's values. Rings of several sizes show where they lie upon each other.
fn rings(points: Vec<(f64, f64)>, report: &Reported, pen: Pen) -> Mark {
    let size = match report.schedule.as_str() {
        CONTROL => 13.0,
        "reset" => 8.5,
        _ => 10.5,
    };
    Mark::Points { points, colour: pen.colour, shape: MarkerShape::Ring, size }
}

/// The lines of arms and the paper's values, by task.
fn accuracy_marks(evidence: &Evidence, arms: &[&MatchedArm], report: &Reported) -> Vec<Mark> {
    let pen = pen_of(evidence, &report.schedule);
    let mut marks = Vec::new();
    for arm in arms {
        let (method, schedule) = (&arm.arm.method, &arm.arm.schedule);
        let runs = evidence.arm(method, schedule);
        let values = across_seeds(&runs, ACCURACY);
        if runs.len() >= 3 {
            marks.push(Mark::Band { points: evidence.interval_band(&values), colour: pen.colour });
        }
        marks.push(Mark::Line { points: evidence.mean_curve(&values), pen });
        let so_far = evidence.unfinished_arm(method, schedule).into_iter();
        marks.extend(so_far.map(|run| Mark::Line { points: accuracy_of(evidence, run), pen: unfinished_pen(pen) }));
    }
    let point = |(moment, value): &(ReportedAt, f64)| match moment {
        ReportedAt::Task(task) => Some((*task as f64, *value)),
        _ => None,
    };
    marks.push(rings(report.values.iter().filter_map(point).collect(), report, pen));
    marks
}

/// The lines of arms and the paper's values of a layer's learning rate.
fn rate_marks(evidence: &Evidence, arms: &[&MatchedArm], report: &Reported, layer: &str) -> Vec<Mark> {
    let pen = pen_of(evidence, &report.schedule);
    let (mut marks, mut event_at) = (Vec::new(), None);
    for arm in arms {
        let (method, schedule) = (&arm.arm.method, &arm.arm.schedule);
        let runs = evidence.arm(method, schedule);
        let so_far = evidence.unfinished_arm(method, schedule);
        let lines = [(runs, pen)].into_iter().chain(so_far.into_iter().map(|run| (vec![run], unfinished_pen(pen))));
        for (runs, pen) in lines.filter(|(runs, _)| !runs.is_empty()) {
            let points = rates(&runs, layer);
            event_at = event_at.or_else(|| positions(runs[0], layer));
            marks.push(Mark::Line { points, pen });
        }
    }
    if !marks.is_empty() {
        marks.push(Mark::Horizontal { y: report.learning_rate, pen: base_pen(evidence) });
    }
    for (moment, value) in &report.values {
        match moment {
            // The range of a sawtooth is two lines, each with a ring at its end.
            ReportedAt::Updates(_, first, last) if first < last => {
                let ends = [*first as f64 - 1.0, *last as f64].map(|task| (task, *value));
                marks.push(Mark::Line { points: ends.to_vec(), pen: Pen::solid(pen.colour, 1.5) });
                marks.push(rings(vec![ends[1]], report, pen));
            }
            ReportedAt::Updates(Over::Begin, task, _) => {
                marks.push(rings(vec![(*task as f64 - 0.98, *value)], report, pen))
            }
            ReportedAt::Updates(_, _, task) | ReportedAt::Task(task) => {
                marks.push(rings(vec![(*task as f64, *value)], report, pen))
            }
            ReportedAt::Event(event) => {
                let at = event_at.as_ref().and_then(|positions| positions.get(event - 1));
                marks.extend(at.map(|at| rings(vec![(*at, *value)], report, pen)));
            }
            ReportedAt::Run => {}
        }
    }
    marks
}

/// Where the measured updates of a layer lie in tasks done; nothing before a task is done.
fn positions(run: &RecordedRun, layer: &str) -> Option<Vec<f64>> {
    let LayerSeries { tasks, updates, .. } = run.trace(layer)?;
    let ends: Vec<f64> = run.series.column("updates").iter().copied().map_while(defined).collect();
    let offset = tasks.first()?;
    let first = if *offset == 0 { 0.0 } else { *updates.first()? as f64 - 1.0 };
    let start = |task: usize| task.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(first);
    // A task that goes on is as long as the last.
    let length = |task: usize| {
        let known = task.min(ends.len().saturating_sub(1));
        Some(ends.get(known)? - start(known)).filter(|length| *length > 0.0)
    };
    let at = |(task, update): (&usize, &u64)| {
        let own = task.checked_sub(*offset)?;
        Some(*task as f64 + (*update as f64 - start(own)) / length(own)?)
    };
    tasks.iter().zip(updates).map(at).collect()
}

/// The geometric mean over runs of a layer's learning rate, at fewer and fewer of the measured updates.
fn rates(runs: &[&RecordedRun], layer: &str) -> Vec<(f64, f64)> {
    let traces: Vec<&LayerSeries> = runs.iter().filter_map(|run| run.trace(layer)).collect();
    let length = traces.iter().map(|trace| trace.learning_rates.len()).min().unwrap_or(0);
    let Some(positions) = runs.iter().find_map(|run| positions(run, layer)) else { return Vec::new() };
    let length = length.min(positions.len());
    let step = |step: usize| (length as f64).powf(step as f64 / MOST_POINTS as f64).round() as usize;
    let mut places: Vec<usize> = (0..=MOST_POINTS).map(|number| step(number).clamp(1, length.max(1)) - 1).collect();
    places.dedup();
    places.retain(|place| *place < length);
    let mean = |place: usize| {
        let sum: f64 = traces.iter().map(|trace| trace.learning_rates[place].ln()).sum();
        (sum / traces.len() as f64).exp()
    };
    places.into_iter().map(|place| (positions[place], mean(place))).collect()
}
