//! What a reader must know before believing the numbers, each in a sentence or two.

use std::collections::{BTreeMap, BTreeSet};

use trainability_record::run::Status;

use crate::evidence::Evidence;
use crate::evidence::warnings as series;
use crate::plot::axis::plain;
use crate::results::{RecordedRun, RecordedSweep};
use crate::series::{Arm, CONTROL};

/// Every warning, the gravest first.
pub(crate) fn all(evidence: &Evidence) -> Vec<String> {
    let mut warnings = damaged(&evidence.sweep);
    warnings.extend(unfinished(&evidence.sweep));
    warnings.extend(evidence.cautions.clone());
    warnings.extend(never_fired(evidence));
    warnings.extend(never_decided(evidence));
    warnings.extend(series::identical_arms(&evidence.series));
    warnings.extend(series::few_seeds(&evidence.series));
    for indicator in &evidence.sweep.glossary.indicators {
        warnings.extend(series::undefined_indicator(&evidence.series, &indicator.name));
        warnings.extend(series::constant_indicator(&evidence.series, &indicator.name));
    }
    warnings.extend(unconverged(evidence));
    if evidence.sweep.provenance.is_none() {
        warnings.push("sweep.json is missing: what was configured, and where it ran, is not known.".into());
    }
    warnings
}

/// Runs whose files are not what they wrote; no statistic counts them.
pub(crate) fn damaged(sweep: &RecordedSweep) -> Vec<String> {
    let told = |run: &RecordedRun| {
        let damage = run.damage.as_ref()?;
        let name = format!("{}, seed {}", run.arm, run.seed);
        let own = format!("{name} is left out: {damage}. No number counts it; the sweep's own command does it again.");
        // Without the folders, the same reason is the same text.
        let folder = format!("{}/", run.folder.display());
        let reason = damage.split_once(&folder).map_or(&**damage, |(_, file)| file);
        Some(Told { own, like_it: format!("are left out: {reason}") })
    };
    summed_up(sweep.runs.iter().filter_map(told).collect())
}

/// What is said of a run or an arm by itself, and of others like it where there are many.
struct Told {
    own: String,
    like_it: String,
}

/// Runs or arms of a kind and reason that are named, where there are more.
const MOST_NAMED: usize = 5;

/// The first few of each kind and reason by themselves, and of the others how many there are. Reasons that differ in numbers alone, such as
/// a line or a task, are one.
fn summed_up(all: Vec<Told>) -> Vec<String> {
    let kind = |told: &Told| told.like_it.replace(|c: char| c.is_ascii_digit(), "");
    let mut kinds: Vec<(String, usize)> = Vec::new();
    let mut place = BTreeMap::new();
    for told in &all {
        let place = *place.entry(kind(told)).or_insert(kinds.len());
        if place == kinds.len() {
            kinds.push((told.like_it.clone(), 0));
        }
        kinds[place].1 += 1;
    }
    let mut named = vec![0; kinds.len()];
    let mut sentences = Vec::new();
    for told in all {
        let place = place[&kind(&told)];
        named[place] += 1;
        // A single one takes as much room by its name.
        if named[place] <= MOST_NAMED || kinds[place].1 == MOST_NAMED + 1 {
            sentences.push(told.own);
        }
    }
    let others = kinds.iter().filter(|(_, all)| *all > MOST_NAMED + 1);
    sentences
        .extend(others.map(|(like_it, all)| format!("And {} more {like_it}.", plain((all - MOST_NAMED) as f64, 0))));
    sentences
}

/// Runs that are not complete, with the reason; no statistic counts them.
pub(crate) fn unfinished(sweep: &RecordedSweep) -> Vec<String> {
    let told = |run: &RecordedRun| {
        let name = format!("{}, seed {}", run.arm, run.seed);
        let reason = run.record.as_ref().and_then(|record| record.error.as_deref());
        let because = reason.map_or(String::new(), |reason| format!(": {}", reason.trim_end_matches('.')));
        let task = run.record.as_ref().and_then(|record| record.diverged_at_task);
        let task = task.map_or(String::new(), |task| format!(" in task {}", task.saturating_add(1)));
        let (own, like_it) = match run.status() {
            Some(Status::Finished) => return None,
            Some(Status::Diverged) => (
                format!(
                    "{name} diverged{task}{because}. No number counts it, so that what is said of its arm flatters it."
                ),
                format!("diverged{because}"),
            ),
            Some(Status::Failed) => {
                (format!("{name} failed{because}. No number counts it."), format!("failed{because}"))
            }
            Some(Status::Running) => {
                (format!("{name} has not finished. No number counts it."), "have not finished".to_owned())
            }
            None => (
                format!("{name} has no run.json: it was never begun or is being set up. No number counts it."),
                "have no run.json".to_owned(),
            ),
        };
        Some(Told { own, like_it })
    };
    summed_up(sweep.runs.iter().filter(|run| run.damage.is_none()).filter_map(told).collect())
}

/// Arms in which the schedule took no decision to change anything in some run.
pub(crate) fn never_fired(evidence: &Evidence) -> Vec<String> {
    let sentence = |(arm, runs): (Arm, Vec<&RecordedRun>)| {
        let idle = |run: &&&RecordedRun| run.record.as_ref().is_some_and(|record| record.never_fired());
        let count = runs.iter().filter(idle).count();
        (count > 0).then(|| Told {
            own: format!(
                "{}: the schedule never fired in {count} of {} runs, which makes them identical to their control \
                 {}/{CONTROL}, not a result.",
                arm,
                runs.len(),
                arm.method
            ),
            like_it: "arms have runs in which the schedule never fired".to_owned(),
        })
    };
    summed_up(evidence.runs_by_arm().into_iter().filter_map(sentence).collect())
}

/// Arms in which the schedule acted, but could not decide anything in some layers, since their bound was never defined.
pub(crate) fn never_decided(evidence: &Evidence) -> Vec<String> {
    let blind = |run: &&RecordedRun| -> Vec<String> {
        let Some(record) = run.record.as_ref().filter(|record| !record.never_fired()) else { return Vec::new() };
        let events = record.events.iter();
        let blind =
            events.filter(|layer| layer.undefined > 0 && layer.undefined == layer.cooled + layer.warmed + layer.held);
        blind.map(|layer| layer.layer.clone()).collect()
    };
    let sentence = |(arm, runs): (Arm, Vec<&RecordedRun>)| {
        let blind: Vec<Vec<String>> = runs.iter().map(blind).filter(|layers| !layers.is_empty()).collect();
        let layers: BTreeSet<&str> = blind.iter().flatten().map(String::as_str).collect();
        (!blind.is_empty()).then(|| Told {
            own: format!(
                "{}: the bound that the schedule keeps to was undefined at every control event in {} in {} of {} runs, \
                 so that it acted on the other layers alone.",
                arm,
                Vec::from_iter(layers).join(", "),
                blind.len(),
                runs.len(),
            ),
            like_it: "arms have layers in which the bound was undefined at every control event".to_owned(),
        })
    };
    summed_up(evidence.runs_by_arm().into_iter().filter_map(sentence).collect())
}

/// How often the largest eigenvalue was not found to the wanted precision.
pub(crate) fn unconverged(evidence: &Evidence) -> Option<String> {
    let (mut lost, mut all) = (0, 0);
    let mut worst: Option<(f64, String)> = None;
    for (arm, runs) in evidence.runs_by_arm() {
        let rows: usize = runs.iter().flat_map(|run| &run.traces).map(|trace| trace.updates.len()).sum();
        let records = runs.iter().filter_map(|run| run.record.as_ref());
        let count = records.map(|record| record.unconverged_curvature_events).fold(0, u64::saturating_add);
        (lost, all) = (u64::saturating_add(lost, count), all + rows);
        let share = count as f64 / rows.max(1) as f64;
        if count > 0 && worst.as_ref().is_none_or(|(most, _)| share > *most) {
            worst = Some((share, arm.to_string()));
        }
    }
    worst.map(|(share, arm)| {
        format!(
            "Lanczos ran out of products before the wanted precision in {lost} of {all} layer measurements, {}; most \
             often in {arm}, {}. Sharpness, volatility and the bounds made of them are uncertain there.",
            percent(lost as f64 / all.max(1) as f64),
            percent(share),
        )
    })
}

fn percent(share: f64) -> String {
    if share < 0.001 { "under 0.1 %".into() } else { format!("{:.1} %", 100.0 * share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_thousands_of_runs_a_few_are_named_and_the_others_counted_by_reason() {
        let told = |seed: usize, reason: &str| Told {
            own: format!("seed {seed} failed: {reason}."),
            like_it: format!("failed: {reason}"),
        };
        let full = |seed: usize| told(seed, &format!("disk full in task {seed}"));
        let sentences = summed_up((0..2592).map(full).chain((0..6).map(|seed| told(seed, "killed"))).collect());
        assert_eq!(sentences.len(), MOST_NAMED + 6 + 1, "{sentences:?}");
        assert_eq!(sentences[4], "seed 4 failed: disk full in task 4.");
        assert_eq!(sentences[10], "seed 5 failed: killed.", "one more is named, as it takes no more room");
        assert_eq!(sentences[11], "And 2,587 more failed: disk full in task 0.");
        let few: Vec<String> = summed_up((0..3).map(full).collect());
        assert_eq!(few.len(), 3);
    }
}
