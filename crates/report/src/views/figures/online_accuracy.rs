//! Online accuracy by task: the phenomenon, and what each schedule does about it.

use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Key, Mark, Panel, Pen, Plot};
use crate::plot::style::{REFERENCE, schedule_pen};
use crate::results::RecordedRun;
use crate::setting::{is_ceiling, is_ceiling_of, same_setting};
use crate::views::figures::figure::{
    Drawing, Figure, accuracy_of, figure_n, panel_height, schedule_keys, share_axis, task_axis, unfinished_note,
    unfinished_pen,
};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "online_accuracy",
    title: "Online accuracy by task",
    caption: "Mean accuracy on every minibatch before its update, task by task. A line that falls is loss of \
              trainability: each task is equally hard, and the network learns it less well. The grey line is the \
              ceiling, a network that is reset at every task; the dashed line is chance. The constant schedule is \
              the wide black line, so that a schedule identical to it shows as a coloured line on a black one.",
    absent: "",
    draw,
};

/// Schedules whose bands can still be told apart.
const MOST_BANDS: usize = 6;

/// The key of the ceiling.
pub(super) const CEILING_LABEL: &str = "reset at every task (ceiling)";

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let panels = methods(evidence).iter().map(|method| panel(evidence, method)).collect::<Vec<_>>();
    let mut legend = schedule_keys(evidence);
    if !evidence.ceilings.is_empty() || evidence.sweep.unfinished().any(|run| is_ceiling(run, &evidence.grid_keys)) {
        legend.push(Key::line(CEILING_LABEL, ceiling_pen()));
    }
    if evidence.classes.is_some() {
        legend.push(Key::line("chance", chance_pen()));
    }
    let spread = match evidence.most_seeds() {
        0 | 1 => "Lines are single runs.",
        2 => "Wide lines are means over seeds, thin lines single seeds (too few for an interval).",
        _ if evidence.schedules.len() > MOST_BANDS => {
            "Lines are means over seeds; so many bands could not be told apart."
        }
        _ => "Lines are means over seeds, bands their 95 % jackknife intervals over seeds.",
    };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!("{spread} {}.{}", figure_n(evidence), unfinished_note(evidence)),
        legend,
        columns: panels.len().clamp(1, 3),
        panel_height: panel_height(panels.len(), 3, 330.0),
        panels,
        x_label: "task".into(),
        y_label: "online accuracy (share correct)".into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}

/// The methods that have a panel: those that keep their network, and what has not finished and is in no panel of these.
fn methods(evidence: &Evidence) -> Vec<String> {
    let mut methods: Vec<String> = evidence.trained_methods().into_iter().cloned().collect();
    let (ceilings, others): (Vec<&RecordedRun>, Vec<&RecordedRun>) =
        evidence.sweep.unfinished().partition(|run| is_ceiling(run, &evidence.grid_keys));
    for run in others.into_iter().chain(ceilings) {
        let is_shown = methods.iter().any(|method| *method == run.arm.method || is_its_ceiling(evidence, run, method));
        if !is_shown {
            methods.push(run.arm.method.clone());
        }
    }
    methods
}

/// Whether a run is a ceiling of a method.
fn is_its_ceiling(evidence: &Evidence, run: &RecordedRun, method: &str) -> bool {
    let mut of_method = evidence.sweep.runs.iter().filter(|other| other.arm.method == method);
    let is_of = |other: &RecordedRun| is_ceiling_of(run, other, &evidence.grid_keys) && same_setting(run, other);
    is_ceiling(run, &evidence.grid_keys) && of_method.any(is_of)
}

pub(super) fn ceiling_pen() -> Pen {
    Pen::solid(REFERENCE, 4.0)
}

fn chance_pen() -> Pen {
    Pen::dashed(REFERENCE, 3.0)
}

fn panel(evidence: &Evidence, method: &str) -> Panel {
    let mut marks = Vec::new();
    if let Some(classes) = evidence.classes {
        marks.push(Mark::Horizontal { y: 1.0 / classes, pen: chance_pen() });
    }
    if let Some(ceiling) = evidence.ceiling(method) {
        let points = evidence.mean_curve(&across_seeds(&ceiling, "online_accuracy"));
        marks.push(Mark::Line { points, pen: ceiling_pen() });
    }
    let mut lines = Vec::new();
    for schedule in &evidence.schedules {
        let runs = evidence.arm(method, schedule);
        let values = across_seeds(&runs, "online_accuracy");
        let pen = schedule_pen(schedule, &evidence.schedules);
        if runs.len() >= 3 && evidence.schedules.len() <= MOST_BANDS {
            marks.push(Mark::Band { points: evidence.interval_band(&values), colour: pen.colour });
        } else if runs.len() == 2 {
            lines.extend(runs.iter().map(|run| {
                let points = evidence.mean_curve(&across_seeds(&[*run], "online_accuracy"));
                Mark::Line { points, pen: Pen { width: 1.5, ..pen } }
            }));
        }
        lines.push(Mark::Line { points: evidence.mean_curve(&values), pen });
    }
    for run in evidence.sweep.unfinished() {
        let pen = if run.arm.method == method {
            schedule_pen(&run.arm.schedule, &evidence.shown_schedules())
        } else if is_its_ceiling(evidence, run, method) {
            ceiling_pen()
        } else {
            continue;
        };
        lines.push(Mark::Line { points: accuracy_of(evidence, run), pen: unfinished_pen(pen) });
    }
    marks.extend(lines);
    Panel { title: method.into(), x: task_axis(evidence), y: share_axis(), marks, ..Panel::default() }
}
