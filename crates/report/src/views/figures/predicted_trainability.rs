//! Predicted trainability, 1 - rho, against the accuracy that followed.

use crate::evidence::trainability::{predicted_trainability, rescaled_to_accuracy};
use crate::evidence::{Evidence, across_seeds, by_task};
use crate::plot::data::{Key, Mark, Panel, Plot};
use crate::plot::style::{ACTUAL_PEN, RAW_PEN, SCALED_PEN};
use crate::results::RecordedRun;
use crate::views::figures::figure::{Drawing, Figure, panel_height, share_axis, task_axis};
use crate::wording::counted;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "predicted_trainability",
    title: "Predicted trainability and actual online accuracy",
    caption: "rho is the share of a task's measured updates at which any layer's effective step exceeds its combined \
              bound; 1 − rho predicts trainability. The dashed line is the same prediction rescaled, run by run, to \
              the range of the run's own accuracy, as the paper draws it: rescaling uses the outcome, so that only \
              the raw line is a prediction, and only it is scored.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let schedule = evidence.control();
    let methods = evidence.methods.iter().filter(|method| !evidence.arm(method, &schedule).is_empty());
    let panels: Vec<_> = methods.map(|method| panel(evidence, method, &evidence.arm(method, &schedule))).collect();
    let band =
        if evidence.most_seeds() >= 3 { ", the band is the accuracy's 95 % jackknife interval over seeds" } else { "" };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!("Schedule {schedule}; lines are means over seeds{band}."),
        legend: vec![
            Key::line("online accuracy", ACTUAL_PEN),
            Key::line("1 − rho, raw", RAW_PEN),
            Key::line("1 − rho, rescaled to each run's accuracy", SCALED_PEN),
        ],
        columns: panels.len().clamp(1, 3),
        panel_height: panel_height(panels.len(), 3, 330.0),
        panels,
        x_label: "task".into(),
        y_label: "online accuracy, and 1 − rho".into(),
        shared_x: true,
        shared_y: true,
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn panel(evidence: &Evidence, method: &str, runs: &[&RecordedRun]) -> Panel {
    let accuracy = across_seeds(runs, "online_accuracy");
    let raw: Vec<_> = runs.iter().map(|run| predicted_trainability(run.series.column("rho"))).collect();
    let scaled: Result<Vec<_>, _> =
        raw.iter().zip(runs).map(|(raw, run)| rescaled_to_accuracy(raw, run.series.online_accuracy())).collect();
    let mut marks = Vec::new();
    if runs.len() >= 3 {
        marks.push(Mark::Band { points: evidence.interval_band(&accuracy), colour: ACTUAL_PEN.colour });
    }
    marks.push(Mark::Line { points: evidence.mean_curve(&accuracy), pen: ACTUAL_PEN });
    marks.push(Mark::Line { points: evidence.mean_curve(&by_task(&raw)), pen: RAW_PEN });
    let mut note = format!("n = {}", counted(runs.len(), "seed"));
    match scaled {
        Ok(scaled) => marks.push(Mark::Line { points: evidence.mean_curve(&by_task(&scaled)), pen: SCALED_PEN }),
        Err(_) => note.push_str("; not rescaled: constant"),
    }
    let x = task_axis(evidence);
    Panel { title: method.into(), note, x, y: share_axis(), marks }
}
