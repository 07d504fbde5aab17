//! Several sweeps in one report.
//!
//! An arm is its options. Runs with the same labels and the same options but for the seed are one arm, whichever sweep they
//! are from, so that a sweep of further seeds joins its first; a run that is in several counts once, from the first that has
//! finished it. Labels that mean different options are told apart by their sweep's name in front: a method's where
//! anything but the schedule differs, a schedule's where that alone does. Seeds are paired within one method label, and
//! so only where data, stream, network, training and method are the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::refusal::{Refusal, demand};
use crate::results::{RecordedRun, RecordedSweep};
use crate::selected::Selected;
use crate::setting::leaves;
use crate::wording::counted;

/// Puts sweeps together; one is left as it is.
///
/// # Errors
/// Two sweeps have one name.
pub(crate) fn together(mut sweeps: Vec<RecordedSweep>) -> Result<Selected, Refusal> {
    if sweeps.len() == 1 {
        return Ok(Selected { sweep: sweeps.remove(0), ..Selected::default() });
    }
    let names: Vec<String> = sweeps.iter().map(|sweep| sweep.name.clone()).collect();
    for (place, name) in names.iter().enumerate() {
        demand!(
            !names[..place].contains(name),
            "two of the sweeps are called {name}, expected folders of different names"
        );
    }
    let cautions = differences(&sweeps).into_iter().collect();
    let apart = tell_apart(&mut sweeps, SweepPart::Method) + tell_apart(&mut sweeps, SweepPart::Schedule);
    let provenance: Map<String, Value> =
        sweeps.iter_mut().filter_map(|sweep| Some((sweep.name.clone(), sweep.provenance.take()?))).collect();
    let provenance = Some(Value::Object(provenance)).filter(|value| value != &Value::Object(Map::new()));
    let mut glossary = std::mem::take(&mut sweeps[0].glossary);
    sweeps[1..].iter_mut().for_each(|sweep| glossary.join(std::mem::take(&mut sweep.glossary)));
    let runs: Vec<RecordedRun> = sweeps.into_iter().flat_map(|sweep| sweep.runs).collect();
    let all = runs.len();
    let mut sweep = RecordedSweep { name: names.join(" + "), provenance, glossary, runs: once(runs) };
    let twice = all - sweep.runs.len();
    sweep.sort();
    let mut slice = vec![format!("These are the sweeps {} together.", names.join(", "))];
    if twice > 0 {
        let are = if twice == 1 { "is" } else { "are" };
        let runs = counted(twice, "run");
        slice.push(format!("{runs} {are} in more than one of them with the same options, and counted once."));
    }
    if apart > 0 {
        slice.push("Labels that mean different options in different sweeps have the sweep's name in front.".into());
    }
    Ok(Selected { sweep, slice, cautions, first_task: 0 })
}

#[derive(Clone, Copy)]
enum SweepPart {
    Method,
    Schedule,
}

impl SweepPart {
    /// The label in question, with what it is looked at within.
    fn label(self, run: &RecordedRun) -> (String, String) {
        match self {
            SweepPart::Method => (run.arm.method.clone(), String::new()),
            SweepPart::Schedule => (run.arm.schedule.clone(), run.arm.method.clone()),
        }
    }

    /// The options that the label stands for.
    fn meaning(self, run: &RecordedRun) -> Option<String> {
        let mut options = run.record.as_ref()?.options.clone();
        let object = options.as_object_mut()?;
        object.shift_remove("seed");
        match self {
            SweepPart::Method => object.shift_remove("schedule"),
            SweepPart::Schedule => {
                let schedule = object.get("schedule").cloned().unwrap_or_default();
                return Some(what_acts(schedule, run).to_string());
            }
        };
        Some(options.to_string())
    }
}

/// The options of a schedule that make the run what it is: where it takes no decisions, the bounds are recorded and not acted on;
/// and each seed's replayed rates are another file.
fn what_acts(mut schedule: Value, run: &RecordedRun) -> Value {
    if let (Some(options), Some(record)) = (schedule.as_object_mut(), &run.record) {
        options.shift_remove("sha256");
        if !record.scheduled {
            options.shift_remove("bounds");
        }
    }
    schedule
}

/// Puts the sweep's name in front of labels with more than one meaning; how many labels that are.
fn tell_apart(sweeps: &mut [RecordedSweep], part: SweepPart) -> usize {
    let mut meanings: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut owners: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for sweep in &*sweeps {
        for run in &sweep.runs {
            meanings.entry(part.label(run)).or_default().extend(part.meaning(run));
            owners.entry(part.label(run)).or_default().insert(sweep.name.clone());
        }
    }
    let ambiguous = |label: &(String, String)| meanings[label].len() > 1 && owners[label].len() > 1;
    for sweep in sweeps {
        for run in &mut sweep.runs {
            if ambiguous(&part.label(run)) {
                let label = match part {
                    SweepPart::Method => &mut run.arm.method,
                    SweepPart::Schedule => &mut run.arm.schedule,
                };
                *label = format!("{}/{label}", sweep.name);
                run.series.arm = run.arm.clone();
            }
        }
    }
    meanings.keys().filter(|label| ambiguous(label)).count()
}

/// Each run once: the first that has finished, or the first.
fn once(runs: Vec<RecordedRun>) -> Vec<RecordedRun> {
    let mut kept: Vec<RecordedRun> = Vec::new();
    let mut places = BTreeMap::new();
    for run in runs {
        let place = *places.entry((run.arm.clone(), run.seed)).or_insert(kept.len());
        if place == kept.len() {
            kept.push(run);
        } else if run.finished() && !kept[place].finished() {
            kept[place] = run;
        }
    }
    kept
}

/// What the sweeps' configurations do not share, beyond methods, schedules and seeds.
fn differences(sweeps: &[RecordedSweep]) -> Option<String> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (place, sweep) in sweeps.iter().enumerate() {
        let mut values = BTreeMap::new();
        let provenance = sweep.provenance.as_ref();
        for section in ["data", "stream", "network", "training", "measure", "control"] {
            let options = provenance.and_then(|value| value.pointer(&format!("/experiment/{section}")));
            leaves(options.unwrap_or(&Value::Null), section, &mut |key, value| {
                if !value.is_null() {
                    values.insert(key.to_owned(), short(value));
                }
            });
        }
        let checksum = provenance.and_then(|value| value.pointer("/data/checksum"));
        values.insert("the images' checksum".to_owned(), checksum.map_or("unknown".into(), short));
        for (key, value) in values {
            let found = keys.entry(key).or_default();
            found.resize(place, "not set".to_owned());
            found.push(value);
        }
    }
    let mut different = Vec::new();
    for (key, mut values) in keys {
        values.resize(sweeps.len(), "not set".to_owned());
        if values.iter().any(|value| *value != values[0]) {
            let each = values.iter().zip(sweeps).map(|(value, sweep)| format!("{value} in {}", sweep.name));
            different.push(format!("{key} is {}", each.collect::<Vec<_>>().join(" and ")));
        }
    }
    (!different.is_empty()).then(|| {
        format!(
            "The sweeps differ in their configuration: {}. Seeds are paired only between runs that share all of it.",
            different.join("; ")
        )
    })
}

fn short(value: &Value) -> String {
    let text = trainability_record::label::of_value(value);
    if text.chars().count() > 16 { text.chars().take(12).chain("…".chars()).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use trainability_record::run::Status;

    use super::*;
    use crate::tests::synthetic::{options, run};

    fn sweep(name: &str, runs: Vec<RecordedRun>) -> RecordedSweep {
        RecordedSweep { name: name.to_owned(), runs, ..RecordedSweep::default() }
    }

    fn names(selected: &Selected) -> Vec<String> {
        let name = |run: &RecordedRun| format!("{} {} {}", run.arm.method, run.arm.schedule, run.seed);
        selected.sweep.runs.iter().map(name).collect()
    }

    #[test]
    fn equal_options_are_one_arm_and_others_are_told_apart() {
        let mut other_schedule = options("relu", 5);
        other_schedule["schedule"]["cool"] = 0.5.into();
        let one = sweep(
            "one",
            vec![
                run("relu", "constant", 0, options("relu", 5)),
                run("relu", "paper", 0, options("relu", 5)),
                run("crelu", "constant", 0, options("crelu", 5)),
            ],
        );
        let two = sweep(
            "two",
            vec![
                run("relu", "constant", 1, options("relu", 5)),
                run("relu", "paper", 1, other_schedule),
                run("crelu", "constant", 0, options("crelu", 9)),
            ],
        );
        let selected = together(vec![one, two]).unwrap();
        let mut found = names(&selected);
        found.sort();
        let expected = [
            "one/crelu constant 0",
            "relu constant 0",
            "relu constant 1",
            "relu one/paper 0",
            "relu two/paper 1",
            "two/crelu constant 0",
        ];
        assert_eq!(found, expected);
        assert!(selected.sweep.runs.iter().all(|run| run.series.arm == run.arm), "the numbers go by the same name");
    }

    /// Two sweeps that differ in `control.*` alone train the same under a constant rate: its gains and ceilings are not torn apart.
    #[test]
    fn bounds_that_are_only_recorded_do_not_split_a_schedule() {
        let with = |noise: &str, scheduled: bool, seed: u64| {
            let mut options = options("relu", 5);
            options["schedule"]["bounds"]["noise"] = noise.into();
            let mut run = run("relu", if scheduled { "paper" } else { "constant" }, seed, options);
            run.record.as_mut().unwrap().scheduled = scheduled;
            run
        };
        let one = sweep("one", vec![with("plug_in", false, 0), with("plug_in", true, 0)]);
        let two = sweep("two", vec![with("debiased", false, 1), with("debiased", true, 1)]);
        let mut found = names(&together(vec![one, two]).unwrap());
        found.sort();
        assert_eq!(found, ["relu constant 0", "relu constant 1", "relu one/paper 0", "relu two/paper 1"]);
    }

    #[test]
    fn a_run_that_is_in_both_counts_once_and_the_finished_one_is_it() {
        let mut broken = run("relu", "constant", 0, options("relu", 5));
        broken.record.as_mut().unwrap().status = Status::Failed;
        let whole = run("relu", "constant", 0, options("relu", 5));
        let selected = together(vec![sweep("one", vec![broken]), sweep("two", vec![whole])]).unwrap();
        assert_eq!(names(&selected), ["relu constant 0"]);
        assert!(selected.sweep.runs[0].finished());
        assert!(selected.slice[1].starts_with("1 run is in more than one"), "{:?}", selected.slice);
    }

    #[test]
    fn one_name_for_two_sweeps_is_refused() {
        let error = together(vec![sweep("one", Vec::new()), sweep("one", Vec::new())]).unwrap_err().to_string();
        assert!(error.contains("called one"), "{error}");
    }
}
