//! The scheduler's learning rates beside the canonical decay that each is closest to.

use trainability_stats::decay::{DecayFit, Family, fits};

use crate::evidence::Evidence;
use crate::evidence::claims::roles::ScheduleRole;
use crate::evidence::claims::trajectory::{Trajectory, trajectories};
use crate::plot::data::{Axis, Key, Mark, Panel, Pen, Plot, line_values};
use crate::plot::style::{REFERENCE, schedule_pen};
use crate::views::figures::figure::{Drawing, Figure, by_layer, figure_n};

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
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
    let scheduled =
        evidence.schedules.iter().filter(|schedule| evidence.roles.get(*schedule) == Some(&ScheduleRole::Scheduler));
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
            let title = format!("{method} · {layer}");
            panels.push(Panel { title, note: note(best), marks, ..Panel::default() });
        }
    }
    let highest = line_values(panels.iter().flat_map(|panel| &panel.marks)).fold(0.0, f64::max);
    panels.iter_mut().for_each(|panel| panel.y = Axis::linear(0.0, 1.05 * highest.max(1e-12)));
    let (columns, panels) = by_layer(layers.len(), panels);
    let plot = Plot {
        title: format!("{}: {schedule}", FIGURE.title),
        subtitle: format!("Mean over seeds, {}.", figure_n(evidence)),
        legend: vec![Key::line(format!("under {schedule}"), pen), Key::line("closest decay", fitted)],
        columns,
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

/// The mean over runs at each point of the first. Where tasks have lengths of their own, those of other seeds lie elsewhere:
/// a rate stays what it was until its next point.
fn mean_course(of_arm: &[Trajectory], layer: &str) -> Vec<(f64, f64)> {
    let courses: Vec<&Trajectory> = of_arm.iter().filter(|trajectory| trajectory.layer == layer).collect();
    let rate = |points: &[(f64, f64)], time: f64| {
        let passed = points.partition_point(|point| point.0 <= time);
        points.get(passed.saturating_sub(1)).map(|point| point.1)
    };
    let at = |&(time, _): &(f64, f64)| {
        let rates: Option<Vec<f64>> = courses.iter().map(|course| rate(&course.points, time)).collect();
        rates.map(|rates| (time, rates.iter().sum::<f64>() / rates.len() as f64))
    };
    courses.first().map_or(&[][..], |course| &course.points).iter().filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Arm;

    #[test]
    fn runs_of_other_lengths_have_at_every_time_the_rate_that_they_had_last() {
        let course = |points: &[(f64, f64)]| Trajectory {
            arm: Arm { method: "relu".into(), schedule: "paper".into() },
            seed: 0,
            layer: "fc1".into(),
            points: points.to_vec(),
        };
        let first = course(&[(0.25, 8.0), (0.5, 4.0), (1.0, 2.0)]);
        let second = course(&[(0.4, 10.0), (0.6, 6.0)]);
        assert_eq!(mean_course(&[first, second], "fc1"), [(0.25, 9.0), (0.5, 7.0), (1.0, 4.0)]);
        assert!(mean_course(&[], "fc1").is_empty());
    }
}
