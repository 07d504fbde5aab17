//! The scheduler's learning rates beside the canonical decay that each is closest to.

use super::plot::{Axis, Key, Mark, Panel, Pen, Plot};
use super::style::{REFERENCE, schedule_pen};
use super::{Drawing, Figure, figure_n};
use crate::analysis::claims::{MIRRORED, ScheduleRole, Trajectory};
use crate::analysis::decay::{DecayFit, Family, fits};
use crate::report::claims::{roles, trajectories};
use crate::report::evidence::Evidence;

/// The registry's entry.
pub const FIGURE: Figure = Figure {
    name: "mirrored_decay",
    title: "The scheduler's learning rates beside the closest canonical decay",
    caption: "Each layer's learning rate, mean over seeds, with the best least-squares fit among linear, exponential, \
              cosine, inverse square root and step decay (dashed), and its share R2 of the variance over time. None \
              stands where the rate rises, or falls like no decay at all. The claim is that the scheduler finds by itself \
              what people decay by the calendar.",
    absent: "",
    draw,
};

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let roles = roles(&evidence.sweep);
    let scheduled = evidence.schedules.iter().filter(|schedule| roles.get(*schedule) == Some(&ScheduleRole::Scheduler));
    scheduled.map(|schedule| drawing(evidence, schedule)).collect()
}

fn drawing(evidence: &Evidence, schedule: &str) -> Drawing {
    let methods: Vec<&String> =
        evidence.methods.iter().filter(|method| !evidence.arm(method, schedule).is_empty()).collect();
    let layers = evidence.layers(&methods);
    let pen = Pen { width: 4.0, ..schedule_pen(schedule, &evidence.schedules) };
    let fitted = Pen::dashed(REFERENCE, 4.0);
    let mut panels = Vec::new();
    for method in &methods {
        let of_arm: Vec<Trajectory> = evidence.arm(method, schedule).into_iter().flat_map(trajectories).collect();
        for layer in &layers {
            let points = mean_course(&of_arm, layer);
            let mut marks = vec![Mark::Line { points: points.clone(), pen }];
            let best = fits(&points).first().copied();
            if let Some(fit) = best.filter(|fit| fit.family != Family::Constant) {
                let curve = (0..=200).map(|step| f64::from(step) / 200.0).map(|time| (time, fit.at(time)));
                marks.push(Mark::Line { points: curve.collect(), pen: fitted });
            }
            let y = Axis::linear(0.0, 1.0);
            let title = format!("{method} · {layer}");
            panels.push(Panel { title, note: note(best), x: Axis::linear(0.0, 1.0), y, marks });
        }
    }
    let highest = panels.iter().flat_map(|panel| &panel.marks).flat_map(|mark| match mark {
        Mark::Line { points, .. } => points.iter().map(|point| point.1).collect(),
        _ => Vec::new(),
    });
    let highest = highest.fold(0.0, f64::max);
    panels.iter_mut().for_each(|panel| panel.y = Axis::linear(0.0, 1.05 * highest.max(1e-12)));
    let plot = Plot {
        title: format!("{}: {schedule}", FIGURE.title),
        subtitle: format!("Mean over seeds, {}. R2 of {MIRRORED} or more counts as mirroring.", figure_n(evidence)),
        legend: vec![Key::line(format!("under {schedule}"), pen), Key::line("closest decay", fitted)],
        columns: layers.len().max(1),
        panels,
        panel_height: 170.0,
        x_label: "share of the run's updates".into(),
        y_label: "learning rate".into(),
        shared_x: true,
        shared_y: true,
    };
    Drawing { suffix: format!("-{schedule}"), plot }
}

fn note(best: Option<DecayFit>) -> String {
    match best {
        None => "no learning rate".into(),
        Some(fit) if fit.family == Family::Constant => "falls like none".into(),
        Some(fit) => format!("{}, R2 = {:.2}", fit.family.name(), fit.r2),
    }
}

/// The mean over runs at each point; the runs of an arm are measured at the same updates.
fn mean_course(of_arm: &[Trajectory], layer: &str) -> Vec<(f64, f64)> {
    let courses: Vec<&Trajectory> = of_arm.iter().filter(|trajectory| trajectory.layer == layer).collect();
    let length = courses.iter().map(|course| course.points.len()).min().unwrap_or(0);
    let at = |place: usize| {
        let sum: f64 = courses.iter().map(|course| course.points[place].1).sum();
        (courses[0].points[place].0, sum / courses.len() as f64)
    };
    (0..length).map(at).collect()
}
