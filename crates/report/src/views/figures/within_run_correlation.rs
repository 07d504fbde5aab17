//! Whether an indicator means the same everywhere: its correlation with the next task's accuracy, configuration by configuration.

use trainability_stats::aggregate::mean;
use trainability_stats::correlation::{FEWEST_PAIRS, spearman};

use crate::evidence::Evidence;
use crate::evidence::predictiveness::{Predictiveness, ranked};
use crate::plot::data::{Axis, Key, Mark, Panel, Plot, Row, Scale};
use crate::plot::style::diverging;
use crate::results::RecordedRun;
use crate::series::Arm;
use crate::views::figures::figure::{Drawing, Figure, figure_n};
use crate::views::tables::HORIZON;

/// The registry's entry.
pub(super) const FIGURE: Figure = Figure {
    name: "within_run_correlation",
    title: "Does an indicator mean the same in every configuration?",
    caption: "Spearman's correlation, within each run and averaged over seeds, of the indicator at a task with the \
              accuracy of the next. A row of one colour is an indicator that means the same everywhere; a row of blue \
              and red is one whose rise announces loss in one configuration and recovery in another. Rows stand in the \
              order of AUROC over all configurations; white is no correlation, and a gap is an undefined one.",
    absent: "",
    draw,
};

/// Steps from -1 to 1: as many colours as can be told apart.
const STEPS: i32 = 5;

fn draw(evidence: &Evidence) -> Vec<Drawing> {
    let (arms, runs): (Vec<Arm>, Vec<Vec<&RecordedRun>>) =
        evidence.runs_by_arm().into_iter().filter(|(arm, _)| !evidence.is_ceiling(&arm.method)).unzip();
    let rows = ranked(&evidence.scores, HORIZON);
    let mut marks = Vec::new();
    for (place, score) in rows.iter().enumerate() {
        for (column, runs) in runs.iter().enumerate() {
            let within: Vec<f64> = runs.iter().filter_map(|run| correlation(run, &score.indicator.name)).collect();
            if let Ok(correlation) = mean(&within) {
                let (x, y) = (column as f64, place as f64);
                marks.push(Mark::Cell { x, y, colour: diverging(rounded(correlation)) });
            }
        }
    }
    if marks.is_empty() {
        return Vec::new();
    }
    let row = |score: &&Predictiveness| {
        let trivial = if score.is_trivial() { " (trivial)" } else { "" };
        Row { label: format!("{}{trivial}", score.indicator.title), ..Row::default() }
    };
    let height = 40.0 * rows.len() as f64;
    let columns = arms.iter().map(Arm::heading).collect();
    let key = |step: i32| {
        let value = f64::from(step) / f64::from(STEPS);
        let label = if step == 0 { "0".to_owned() } else { format!("{value:+.1}").replace('-', "−") };
        Key::filled(label, diverging(value))
    };
    let plot = Plot {
        title: FIGURE.title.into(),
        subtitle: format!(
            "Spearman within runs of the indicator with the next task's accuracy, mean over seeds, {}; {} tasks a run.",
            figure_n(evidence),
            evidence.tasks()
        ),
        legend: (-STEPS..=STEPS).filter(|step| step % 2 != 0 || *step == 0).map(key).collect(),
        columns: 1,
        panel_height: height,
        panels: vec![Panel {
            x: Axis { scale: Scale::Columns(columns), ..Axis::default() },
            y: Axis { scale: Scale::Rows(rows.iter().map(row).collect()), ..Axis::default() },
            marks,
            ..Panel::default()
        }],
        ..Plot::default()
    };
    vec![Drawing { suffix: String::new(), plot }]
}

fn rounded(correlation: f64) -> f64 {
    let steps = f64::from(STEPS);
    (correlation * steps).round() / steps
}

fn correlation(run: &RecordedRun, indicator: &str) -> Option<f64> {
    let (x, y): (Vec<f64>, Vec<f64>) = run.series.before_next(indicator).unzip();
    if x.len() < FEWEST_PAIRS { None } else { spearman(&x, &y).ok() }
}
