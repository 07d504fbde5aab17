//! What a run was made with, as filters, groups and comparisons ask for it: values by key, a label without its grid
//! point, and the reset arm that a run is held against.

use std::collections::BTreeMap;

use serde_json::Value;
use trainability_record::label::of_value;

use crate::results::{RecordedRun, RecordedSweep};
use crate::series::{Arm, CEILING, CONTROL};

/// The sections of a run's options that make its tasks as hard as those of another, whatever the method and schedule.
const SETTING: [&str; 4] = ["data", "stream", "network", "training"];

/// The keys of the sweep's grid, of all sweeps where there are several.
pub(crate) fn grid_keys(provenance: Option<&Value>) -> Vec<String> {
    let mut keys = Vec::new();
    provenance.iter().for_each(|value| collect_grids(value, &mut keys));
    keys.sort();
    keys.dedup();
    keys
}

fn collect_grids(value: &Value, keys: &mut Vec<String>) {
    if let Some(Value::Object(grid)) = value.pointer("/experiment/grid") {
        keys.extend(grid.keys().cloned());
    } else if let Value::Object(sweeps) = value {
        let sweeps = sweeps.values().filter(|sweep| sweep.get("experiment").is_some());
        sweeps.for_each(|sweep| collect_grids(sweep, keys));
    }
}

/// The label's parts that name a point of the grid, from the last: key's last segment, value.
fn point<'l>(mut label: &'l str, keys: &[String]) -> (&'l str, Vec<(&'l str, &'l str)>) {
    let mut point = Vec::new();
    while let Some((rest, part)) = label.rsplit_once('@') {
        let Some((name, value)) = part.split_once('=') else { break };
        if !keys.iter().any(|key| last(key) == name) {
            break;
        }
        point.push((name, value));
        label = rest;
    }
    (label, point)
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// A method's label without its point of the grid.
pub(crate) fn base<'l>(label: &'l str, keys: &[String]) -> &'l str {
    point(label, keys).0
}

/// A method's label without the part of its grid point that one key names.
pub(crate) fn without(label: &str, keys: &[String], key: &str) -> String {
    let (base, point) = point(label, keys);
    let kept = point.iter().rev().filter(|(name, _)| *name != last(key));
    kept.fold(base.to_owned(), |label, (name, value)| format!("{label}@{name}={value}"))
}

/// What a run has under a key: `method`, `schedule` and `seed`, or an option by its path, as it stands in labels.
pub(crate) fn value_of(run: &RecordedRun, key: &str, keys: &[String]) -> Option<String> {
    match key {
        "method" => return Some(run.arm.method.clone()),
        "schedule" => return Some(run.arm.schedule.clone()),
        "seed" => return Some(run.seed.to_string()),
        _ => {}
    }
    let (_, point) = point(&run.arm.method, keys);
    let in_label = || point.iter().find(|(name, _)| *name == last(key)).map(|(_, value)| (*value).to_owned());
    let of_grid = keys.iter().any(|known| known == key).then(in_label).flatten();
    of_grid.or_else(|| option(run, key).filter(|value| !value.is_object()).map(of_value))
}

/// An option of a run by its path; those of `control` are the schedule's.
pub(crate) fn option<'r>(run: &'r RecordedRun, key: &str) -> Option<&'r Value> {
    let options = &run.record.as_ref()?.options;
    let at = |path: &str| options.pointer(&format!("/{}", path.replace('.', "/")));
    at(key).or_else(|| {
        let control = key.strip_prefix("control.")?;
        at(&format!("schedule.{control}")).or_else(|| at(&format!("schedule.bounds.{control}")))
    })
}

/// The paths of all single options of the runs.
pub(crate) fn option_keys<'r>(runs: impl IntoIterator<Item = &'r RecordedRun>) -> Vec<String> {
    let mut keys = Vec::new();
    for record in runs.into_iter().filter_map(|run| run.record.as_ref()) {
        leaves(&record.options, "", &mut |path, _| keys.push(path.to_owned()));
    }
    keys.retain(|key| !key.is_empty() && key != "seed");
    keys.sort();
    keys.dedup();
    keys
}

/// Visits every value that is no object within `value`, which lies at `path`, with its own path.
pub(crate) fn leaves(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    let Value::Object(object) = value else { return visit(path, value) };
    for (key, value) in object {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        leaves(value, &path, visit);
    }
}

/// The names of the parts of a run's method, sorted, without ReLU, which is there without being named; a run that does not record
/// them has the parts that it is called after.
pub(crate) fn part_names(run: &RecordedRun, keys: &[String]) -> Vec<String> {
    let recorded = run.record.as_ref().and_then(|record| record.options.pointer("/method/parts")?.as_array());
    let name = |part: &Value| part.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut parts: Vec<String> = match recorded {
        Some(parts) => parts.iter().filter_map(name).collect(),
        None => base(&run.arm.method, keys).split('+').map(str::to_owned).collect(),
    };
    parts.retain(|part| part != "relu");
    parts.sort();
    parts
}

/// Whether a run starts afresh at every task: the ceiling of the runs of the same parts that do not.
pub(crate) fn is_ceiling(run: &RecordedRun, keys: &[String]) -> bool {
    part_names(run, keys).iter().any(|part| part == CEILING)
}

/// Whether a run that starts afresh at every task has the same other parts as one that does not.
pub(crate) fn is_ceiling_of(fresh: &RecordedRun, run: &RecordedRun, keys: &[String]) -> bool {
    let mut wanted = part_names(run, keys);
    wanted.push(CEILING.to_owned());
    wanted.sort();
    part_names(fresh, keys) == wanted
}

/// Data, stream, network and training of a run.
fn setting(run: &RecordedRun) -> Option<Vec<&Value>> {
    let options = run.record.as_ref().map(|record| &record.options)?;
    Some(SETTING.iter().map(|section| options.get(section).unwrap_or(&Value::Null)).collect())
}

/// Whether two runs have equal data, stream, network and training.
pub(crate) fn same_setting(one: &RecordedRun, other: &RecordedRun) -> bool {
    setting(one) == setting(other)
}

/// The arm that starts afresh at every task and that each other arm is held against: of the same data, stream, network and training,
/// and of the same method; where there is none of the method, plain `reset`.
pub(crate) fn references(sweep: &RecordedSweep) -> BTreeMap<Arm, Option<Arm>> {
    let keys = grid_keys(sweep.provenance.as_ref());
    let (ceilings, others): (Vec<&RecordedRun>, Vec<&RecordedRun>) =
        sweep.finished().partition(|run| is_ceiling(run, &keys));
    let candidates: Vec<&&RecordedRun> = ceilings.iter().filter(|run| run.arm.schedule == CONTROL).collect();
    let mut references = BTreeMap::new();
    for run in others {
        // An arm's first run speaks for it.
        if references.contains_key(&run.arm) {
            continue;
        }
        let alike = || candidates.iter().filter(|ceiling| setting(ceiling) == setting(run));
        // Points of a grid that differ in something else each have a reset arm, and these are all the same.
        let suffix = &run.arm.method[base(&run.arm.method, &keys).len()..];
        let of_method = || alike().filter(|ceiling| is_ceiling_of(ceiling, run, &keys));
        let plain = || alike().filter(|ceiling| part_names(ceiling, &keys).len() == 1);
        let here = |ceiling: &&&&RecordedRun| ceiling.arm.method.ends_with(suffix);
        let own = of_method().find(here).or_else(|| of_method().next());
        let found = own.or_else(|| plain().find(here)).or_else(|| plain().next()).map(|ceiling| ceiling.arm.clone());
        references.insert(run.arm.clone(), found);
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::synthetic::{options, run};

    #[test]
    fn every_arm_is_held_against_the_reset_arm_of_its_own_setting() {
        let provenance = serde_json::json!({ "experiment": { "grid": { "control.cool": [0.5, 0.9] } } });
        let runs = vec![
            run("reset@cool=0.5", "constant", 0, options("reset", 5)),
            run("reset@cool=0.9", "constant", 0, options("reset", 5)),
            run("fresh", "constant", 0, options("reset", 9)),
            run("relu@cool=0.9", "paper", 0, options("relu", 5)),
            run("long", "paper", 0, options("relu", 9)),
            run("longest", "paper", 0, options("relu", 99)),
        ];
        let sweep = RecordedSweep { provenance: Some(provenance), runs, ..RecordedSweep::default() };
        let found = references(&sweep);
        let of = |method: &str| {
            let (_, reference) = found.iter().find(|(arm, _)| arm.method == method).unwrap();
            reference.as_ref().map(|arm| arm.method.as_str())
        };
        assert_eq!(found.len(), 3, "no reset arm has one");
        assert_eq!(of("relu@cool=0.9"), Some("reset@cool=0.9"), "that of its own point, where several are alike");
        assert_eq!((of("long"), of("longest")), (Some("fresh"), None));
    }

    #[test]
    fn a_method_is_held_against_fresh_networks_of_its_own() {
        let of_parts = |names: &[&str]| {
            let parts: Vec<Value> =
                names.iter().map(|name| serde_json::json!({ "name": name, "options": {} })).collect();
            serde_json::json!({ "stream": { "epochs": 5 }, "method": { "parts": parts } })
        };
        let runs = vec![
            run("reset", "constant", 0, options("reset", 5)),
            run("fresh crelu", "constant", 0, of_parts(&["reset", "crelu"])),
            run("crelu", "constant", 0, of_parts(&["crelu"])),
            run("relu", "constant", 0, of_parts(&["relu"])),
            run("tanh", "constant", 0, of_parts(&["tanh"])),
        ];
        assert!(runs.iter().map(|run| is_ceiling(run, &[])).eq([true, true, false, false, false]));
        let found = references(&RecordedSweep { runs, ..RecordedSweep::default() });
        let told: Vec<_> = found.iter().map(|(arm, of)| (&*arm.method, of.as_ref().map(|arm| &*arm.method))).collect();
        let expected = [("crelu", Some("fresh crelu")), ("relu", Some("reset")), ("tanh", Some("reset"))];
        assert_eq!(told, expected, "plain networks stand in where a method has none of its own");
    }

    #[test]
    fn values_are_found_in_labels_and_options() {
        let keys = ["control.cool".to_owned()];
        let run = run("relu@cool=0.9", "paper", 3, options("relu", 5));
        let value = |key: &str| value_of(&run, key, &keys);
        for (key, expected) in [
            ("method", "relu@cool=0.9"),
            ("schedule", "paper"),
            ("seed", "3"),
            ("stream.epochs", "5"),
            ("control.cool", "0.9"),
            ("control.noise", "plug_in"),
        ] {
            assert_eq!(value(key).as_deref(), Some(expected), "{key}");
        }
        assert_eq!([value("stream"), value("stream.tasks"), value("")], [None, None, None]);
    }

    #[test]
    fn a_grid_point_is_taken_off_a_label() {
        let keys = ["control.cool", "training.learning_rate"].map(String::from);
        let label = "l2_loss-coefficient=0.1@odd=1@cool=0.5@learning_rate=0.01";
        assert_eq!(base(label, &keys), "l2_loss-coefficient=0.1@odd=1");
        assert_eq!(without(label, &keys, "control.cool"), "l2_loss-coefficient=0.1@odd=1@learning_rate=0.01");
        assert_eq!(without(label, &[], "control.cool"), label);
    }

    #[test]
    fn grids_of_one_and_of_several_sweeps_are_found() {
        let sweep = |key: &str| serde_json::json!({ "experiment": { "grid": { key: [1, 2] } } });
        assert_eq!(grid_keys(Some(&sweep("a.b"))), ["a.b"]);
        let both = serde_json::json!({ "one": sweep("a.b"), "two": sweep("c") });
        assert_eq!(grid_keys(Some(&both)), ["a.b", "c"]);
        assert!(grid_keys(None).is_empty());
    }
}
