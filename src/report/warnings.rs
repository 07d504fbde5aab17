//! What a reader must know before believing the numbers, each in a sentence or two.

use super::evidence::{CONTROL, Evidence};
use super::results::{Run, Sweep};
use crate::analysis::Arm;
use crate::analysis::warnings as analysis;
use crate::probe::catalogue::catalogue;
use crate::train::record::Status;

/// The Lanczos residual, relative to the eigenvalue, above which a sharpness is not to be trusted.
pub const RESIDUAL: f64 = 0.05;

/// Every warning, the gravest first.
pub fn all(evidence: &Evidence) -> Vec<String> {
    let mut warnings = unfinished(&evidence.sweep);
    warnings.extend(never_fired(evidence));
    warnings.extend(analysis::identical_arms(&evidence.series));
    warnings.extend(analysis::few_seeds(&evidence.series));
    for definition in catalogue() {
        warnings.extend(analysis::undefined_indicator(&evidence.series, definition.name));
        warnings.extend(analysis::constant_indicator(&evidence.series, definition.name));
    }
    warnings.extend(unconverged(evidence));
    if evidence.sweep.provenance.is_none() {
        warnings.push("sweep.json is missing: what was configured, and where it ran, is not known.".into());
    }
    warnings
}

/// Runs that are not complete, with the reason; no statistic counts them.
pub fn unfinished(sweep: &Sweep) -> Vec<String> {
    let sentence = |run: &Run| {
        let name = format!("{}, seed {}", label(&run.arm), run.seed);
        let reason = run.record.as_ref().and_then(|record| record.error.as_deref());
        let because = reason.map_or(String::new(), |reason| format!(": {}", reason.trim_end_matches('.')));
        let task = run.record.as_ref().and_then(|record| record.diverged_at_task);
        let task = task.map_or(String::new(), |task| format!(" in task {}", task + 1));
        match run.status() {
            Some(Status::Finished) => None,
            Some(Status::Diverged) => Some(format!(
                "{name} diverged{task}{because}. No number counts it, so that what is said of its arm flatters it."
            )),
            Some(Status::Failed) => Some(format!("{name} failed{because}. No number counts it.")),
            Some(Status::Running) => Some(format!("{name} has not finished. No number counts it.")),
            None => {
                Some(format!("{name} has no run.json: it was never begun or is being set up. No number counts it."))
            }
        }
    };
    sweep.runs.iter().filter_map(sentence).collect()
}

/// Arms in which the schedule took no decision to change anything in some run.
pub fn never_fired(evidence: &Evidence) -> Vec<String> {
    let sentence = |arm: &Arm| {
        let runs = evidence.arm(&arm.method, &arm.schedule);
        let idle = |run: &&&Run| run.record.as_ref().is_some_and(|record| record.never_fired());
        let count = runs.iter().filter(idle).count();
        (count > 0).then(|| {
            format!(
                "{}: the schedule never fired in {count} of {} runs, which makes them identical to their control \
                 {}/{CONTROL}, not a result.",
                label(arm),
                runs.len(),
                arm.method
            )
        })
    };
    evidence.arms().iter().filter_map(sentence).collect()
}

/// How often the largest eigenvalue was not found to the wanted precision.
pub fn unconverged(evidence: &Evidence) -> Option<String> {
    let (mut above, mut all) = (0usize, 0usize);
    let mut worst: Option<(f64, String)> = None;
    for arm in evidence.arms() {
        let runs = evidence.arm(&arm.method, &arm.schedule);
        let rows = runs.iter().flat_map(|run| &run.traces).flat_map(|trace| &trace.rows);
        let residuals: Vec<f64> =
            rows.map(|row| row.sharpness_residual).filter(|residual| !residual.is_nan()).collect();
        let bad = residuals.iter().filter(|residual| **residual > RESIDUAL).count();
        (above, all) = (above + bad, all + residuals.len());
        let share = bad as f64 / residuals.len().max(1) as f64;
        if bad > 0 && worst.as_ref().is_none_or(|(most, _)| share > *most) {
            worst = Some((share, label(&arm)));
        }
    }
    worst.map(|(share, arm)| {
        format!(
            "The Lanczos residual is above {:.0} % of the eigenvalue in {} of {all} layer measurements, {}; most often in \
             {arm}, {}. Sharpness, volatility and the bounds made of them are uncertain there.",
            100.0 * RESIDUAL,
            above,
            percent(above as f64 / all as f64),
            percent(share),
        )
    })
}

fn percent(share: f64) -> String {
    if share < 0.001 { "under 0.1 %".into() } else { format!("{:.1} %", 100.0 * share) }
}

fn label(arm: &Arm) -> String {
    format!("{}/{}", arm.method, arm.schedule)
}
