//! The first picture of a report: the methods that the paper is about, with the scheduler, without it, and afresh at every task.

use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::{Evidence, across_seeds};
use crate::plot::data::{Key, Mark, Panel, Pen, Plot};
use crate::plot::style::schedule_pen;
use crate::series::CONTROL;
use crate::views::figures::figure::{Drawing, Figure, figure_n, share_axis, task_axis};
use crate::views::figures::online_accuracy::{CEILING_LABEL, ceiling_pen};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "at_a_glance",
    title: "Does the network keep learning, and does the scheduler help?",
    caption: "Online accuracy by task: the mean over all minibatches of the accuracy before the update. Each task is as hard as the \
              last, so that a line that falls is loss of trainability. Grey is a network that \
              starts afresh at every task. Where the coloured lines lie on the black one, the scheduler changes nothing.",
    absent: "",
    draw,
};

/// Panels side by side.
const MOST: usize = 6;

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let is_scheduler = |schedule: &&String| evidence.roles.get(*schedule) == Some(&ScheduleRole::Scheduler);
    let mut schedules: Vec<&String> = evidence.schedules.iter().filter(is_scheduler).collect();
    schedules.extend(evidence.schedules.iter().filter(|schedule| *schedule == CONTROL));
    let methods = evidence.trained_methods();
    let panels: Vec<Panel> = methods.iter().take(MOST).map(|method| panel(evidence, method, &schedules)).collect();
    let mut legend: Vec<Key> =
        schedules.iter().rev().map(|name| Key::line(*name, schedule_pen(name, &evidence.schedules))).collect();
    if !evidence.ceilings.is_empty() {
        legend.push(Key::line(CEILING_LABEL, ceiling_pen()));
    }
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!("Mean over seeds with 95 % interval; {}.", figure_n(evidence)),
        legend,
        columns: panels.len().max(1),
        panel_height: 260.0,
        panels,
        x_label: "task".into(),
        y_label: "online accuracy".into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn panel(evidence: &Evidence, method: &str, schedules: &[&String]) -> Panel {
    let mut marks = Vec::new();
    if let Some(ceiling) = evidence.ceiling(method) {
        let points = evidence.mean_curve(&across_seeds(&ceiling, "online_accuracy"));
        marks.push(Mark::Line { points, pen: ceiling_pen() });
    }
    // The constant rate first, wide and below the others.
    for schedule in schedules.iter().rev() {
        let values = across_seeds(&evidence.arm(method, schedule), "online_accuracy");
        let pen: Pen = schedule_pen(schedule, &evidence.schedules);
        if evidence.arm(method, schedule).len() >= 3 {
            marks.push(Mark::Band { points: evidence.interval_band(&values), colour: pen.colour });
        }
        marks.push(Mark::Line { points: evidence.mean_curve(&values), pen });
    }
    Panel { title: method.into(), x: task_axis(evidence), y: share_axis(), marks, ..Panel::default() }
}
