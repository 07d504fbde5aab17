//! Online accuracy by task: the phenomenon, and what each schedule does about it.

use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Key, Mark, Panel, Pen, Plot};
use crate::plot::style::{REFERENCE, schedule_pen};
use crate::views::figures::figure::{Drawing, Figure, figure_n, panel_height, schedule_keys, share_axis, task_axis};

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
    let methods = evidence.trained_methods();
    let panels = methods.iter().map(|method| panel(evidence, method)).collect::<Vec<_>>();
    let mut legend = schedule_keys(evidence);
    if !evidence.ceilings.is_empty() {
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
        subtitle: format!("{spread} {}.", figure_n(evidence)),
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
    marks.extend(lines);
    Panel { title: method.into(), x: task_axis(evidence), y: share_axis(), marks, ..Panel::default() }
}
