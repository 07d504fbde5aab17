//! Which arms of a sweep are those that a paper reports on: by what their runs recorded, not by their labels.

use serde_json::Value;
use trainability_record::label::of_value;

use crate::evidence::against::paper::Reported;
use crate::results::RecordedRun;
use crate::series::{Arm, CEILING, CONTROL};
use crate::setting::{is_ceiling, option, part_names};
use crate::wording::distinct;

/// An arm that a report is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatchedArm {
    /// The arm.
    pub arm: Arm,
    /// What tells it apart from other arms that the same report is about, in a few words each.
    pub apart: Vec<Difference>,
}

/// An option in which arms differ, and what one of them has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The option's path.
    pub path: String,
    /// What the arm has there, such as `cool = 0.95`, `beta_ramp` or `no beta_ramp`.
    pub text: String,
}

/// The arms that a report is about, in the order of the runs.
pub(crate) fn matched<'r>(
    report: &Reported,
    runs: impl Iterator<Item = &'r RecordedRun>,
    keys: &[String],
) -> Vec<MatchedArm> {
    let mut arms: Vec<&RecordedRun> = Vec::new();
    for run in runs.filter(|run| is_about(report, run, keys)) {
        if !arms.iter().any(|other| other.arm == run.arm) {
            arms.push(run);
        }
    }
    let apart = apart(&arms);
    arms.iter().zip(apart).map(|(run, apart)| MatchedArm { arm: run.arm.clone(), apart }).collect()
}

/// Whether a report is about a run.
fn is_about(report: &Reported, run: &RecordedRun, keys: &[String]) -> bool {
    let Some(record) = &run.record else { return false };
    let schedule = record.options.pointer("/schedule/name").and_then(Value::as_str).unwrap_or(&run.arm.schedule);
    let of_kind = match report.schedule.as_str() {
        "reset" => schedule == CONTROL && is_ceiling(run, keys),
        kind => schedule == kind && !is_ceiling(run, keys),
    };
    let rate = option(run, "schedule.learning_rate").filter(|_| schedule == CONTROL);
    let rate = rate.or_else(|| option(run, "training.learning_rate"));
    let has = |prefix: &str, options: &[(String, Value)]| {
        options.iter().all(|(key, wanted)| fits(wanted, option(run, &format!("{prefix}{key}"))))
    };
    of_kind
        && rate.is_some_and(|rate| fits(&report.learning_rate.into(), Some(rate)))
        && has("schedule.", &report.schedule_options)
        && has("", &report.setting)
        && has_parts(report, run, keys)
}

/// Whether the run's method has the report's parts and no others, each with the options that the report names.
fn has_parts(report: &Reported, run: &RecordedRun, keys: &[String]) -> bool {
    let mut wanted: Vec<&str> = report.method.iter().map(|(name, _)| name.as_str()).collect();
    wanted.sort_unstable();
    let mut found = part_names(run, keys);
    found.retain(|part| part != CEILING);
    let recorded = run.record.as_ref().and_then(|record| record.options.pointer("/method/parts")?.as_array());
    let part = |name: &str| recorded?.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name));
    let has =
        |name: &str, key: &str, wanted: &Value| fits(wanted, part(name).and_then(|part| part.get("options")?.get(key)));
    found == wanted && report.method.iter().all(|(name, own)| own.iter().all(|(key, value)| has(name, key, value)))
}

/// Whether a run has what is wanted: the same number however it is written, the same list, all that is wanted of an object.
pub(crate) fn fits(wanted: &Value, found: Option<&Value>) -> bool {
    match (wanted, found) {
        (Value::Null, None) => true,
        (_, None) => false,
        (Value::Object(wanted), Some(found)) => wanted.iter().all(|(key, value)| fits(value, found.get(key))),
        (Value::Array(wanted), Some(Value::Array(found))) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| fits(wanted, Some(found)))
        }
        (Value::Number(wanted), Some(Value::Number(found))) => match (wanted.as_f64(), found.as_f64()) {
            (Some(wanted), Some(found)) => (wanted - found).abs() <= 1e-9 * wanted.abs(),
            _ => wanted == found,
        },
        (wanted, Some(found)) => wanted == found,
    }
}

/// The options in which runs differ, for each of them; nothing of one alone.
fn apart(runs: &[&RecordedRun]) -> Vec<Vec<Difference>> {
    let mut apart = vec![Vec::new(); runs.len()];
    let options: Vec<Option<&Value>> =
        runs.iter().map(|run| run.record.as_ref().map(|record| &record.options)).collect();
    differ(&options, "", &mut |path, values| {
        // The seed is no part of an arm, and each seed's replayed rates are another file.
        if ["seed", "schedule.sha256"].contains(&path) {
            return;
        }
        let name = path.rsplit('.').find(|name| name.parse::<usize>().is_err()).unwrap_or(path);
        for (apart, value) in apart.iter_mut().zip(values) {
            let text = match value {
                None => format!("no {name}"),
                Some(Value::Object(_)) => name.to_owned(),
                Some(value) => format!("{name} = {}", of_value(value)),
            };
            apart.push(Difference { path: path.to_owned(), text });
        }
    });
    apart
}

/// Visits the places at which values differ, from the outermost at which one has nothing.
fn differ<'v>(values: &[Option<&'v Value>], path: &str, visit: &mut impl FnMut(&str, &[Option<&'v Value>])) {
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let objects: Option<Vec<_>> = values.iter().map(|value| value.and_then(Value::as_object)).collect();
    let lists: Option<Vec<_>> = values.iter().map(|value| value.and_then(Value::as_array)).collect();
    if let Some(objects) = objects {
        for key in distinct(objects.iter().flat_map(|object| object.keys())) {
            let within: Vec<Option<&Value>> = objects.iter().map(|object| object.get(key)).collect();
            differ(&within, &below(key), visit);
        }
    } else if let Some(lists) = lists.filter(|lists| lists.windows(2).all(|pair| pair[0].len() == pair[1].len())) {
        for place in 0..lists[0].len() {
            let within: Vec<Option<&Value>> = lists.iter().map(|list| list.get(place)).collect();
            differ(&within, &below(&place.to_string()), visit);
        }
    } else {
        visit(path, values);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::synthetic::run;

    fn report(method: Value, schedule: &str, more: Value) -> Reported {
        let mut report = json!({
            "where": "Table 1", "quantity": "online_accuracy", "method": method, "schedule": schedule,
            "learning_rate": 0.001, "tasks": [1], "values": [0.5], "reading_error": 0.001
        });
        report.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let file = json!({ "format": 1, "paper": "p", "title": "t", "source": "s", "seeds": 3, "reports": [report] });
        super::super::paper::Paper::parse("p.json", file.to_string().as_bytes()).unwrap().reports.remove(0)
    }

    fn arm(label: &str, parts: &[(&str, Value)], schedule: Value, training: Value) -> RecordedRun {
        let parts: Vec<Value> = parts.iter().map(|(name, own)| json!({ "name": name, "options": own })).collect();
        let options = json!({ "training": training, "method": { "parts": parts }, "schedule": schedule, "seed": 7 });
        run(label, "any label", 7, options)
    }

    fn labels(report: &Reported, runs: &[RecordedRun]) -> Vec<String> {
        matched(report, runs.iter(), &[]).into_iter().map(|matched| matched.arm.method).collect()
    }

    #[test]
    fn arms_are_found_by_their_options_whatever_they_are_called() {
        let l2 = |coefficient: f64| ("l2_adam", json!({ "coefficient": coefficient }));
        let rate = |rate: f64| json!({ "learning_rate": rate });
        let (constant, scheduled) = (json!({ "name": "constant" }), json!({ "name": "as_run", "limit": "combined" }));
        let runs = [
            arm("one", &[l2(1e-3)], constant.clone(), rate(1e-3)),
            arm("other coefficient", &[l2(1e-4)], constant.clone(), rate(1e-3)),
            arm("other rate", &[l2(1e-3)], constant.clone(), rate(3e-3)),
            arm("own rate", &[l2(1e-3)], json!({ "name": "constant", "learning_rate": 0.001 }), rate(3e-3)),
            arm("scheduled", &[l2(1e-3)], scheduled.clone(), rate(1e-3)),
            arm("noise alone", &[l2(1e-3)], json!({ "name": "as_run", "limit": "noise" }), rate(1e-3)),
            arm("fresh", &[l2(1e-3), ("reset", json!({}))], constant.clone(), rate(1e-3)),
            arm("two parts", &[l2(1e-3), ("crelu", json!({}))], constant.clone(), rate(1e-3)),
            arm("plain", &[("relu", json!({}))], constant, rate(1e-3)),
        ];
        let wanted = json!({ "name": "l2_adam", "coefficient": 1e-3 });
        let found = |schedule: &str, more: Value| labels(&report(wanted.clone(), schedule, more), &runs);
        assert_eq!(found("constant", json!({})), ["one", "own rate"]);
        assert_eq!(found("as_run", json!({ "schedule_options": { "limit": "combined" } })), ["scheduled"]);
        assert_eq!(found("as_run", json!({})), ["scheduled", "noise alone"]);
        assert_eq!(found("reset", json!({})), ["fresh"]);
        assert_eq!(labels(&report(json!("relu"), "constant", json!({})), &runs), ["plain"]);
        let any = labels(&report(json!(["crelu", "l2_adam"]), "constant", json!({})), &runs);
        assert_eq!(any, ["two parts"]);
        assert!(found("constant", json!({ "setting": { "training.beta_ramp.layers": 1 } })).is_empty());
    }

    #[test]
    fn several_arms_are_told_apart_by_what_they_do_not_share() {
        let ramp = json!({ "beta1": 0.945, "layers": 1 });
        let with = |label: &str, ramp: Option<&Value>, scale: &str| {
            let mut training = json!({ "learning_rate": 1e-3 });
            if let Some(ramp) = ramp {
                training["beta_ramp"] = ramp.clone();
            }
            let mut run = arm(label, &[("crelu", json!({ "a": 1 }))], json!({ "name": "constant" }), training);
            run.record.as_mut().unwrap().options["measure"] = json!({ "sharpness_scale": scale });
            run
        };
        let runs = [with("a", Some(&ramp), "global"), with("b", None, "global"), with("c", None, "layer")];
        let found = matched(&report(json!("crelu"), "constant", json!({})), runs.iter(), &[]);
        let texts: Vec<Vec<&str>> =
            found.iter().map(|arm| arm.apart.iter().map(|apart| &*apart.text).collect()).collect();
        let expected = [
            ["beta_ramp", "sharpness_scale = global"],
            ["no beta_ramp", "sharpness_scale = global"],
            ["no beta_ramp", "sharpness_scale = layer"],
        ];
        assert_eq!(texts, expected);
        assert_eq!(found[0].apart[0].path, "training.beta_ramp");
        let alone = matched(&report(json!("crelu"), "constant", json!({})), runs[..1].iter(), &[]);
        assert!(alone[0].apart.is_empty(), "one arm needs no telling apart");
    }

    #[test]
    fn what_is_wanted_of_an_object_is_enough() {
        let found = json!({ "a": { "b": 0.30000000000000004, "c": [1, 2.0] } });
        for (wanted, expected) in [
            (json!({ "a": { "b": 0.3 } }), true),
            (json!({ "a": { "c": [1.0, 2] } }), true),
            (json!({ "a": { "c": [1] } }), false),
            (json!({ "a": { "d": null } }), true),
            (json!({ "a": { "d": 1 } }), false),
            (json!({ "a": "text" }), false),
        ] {
            assert_eq!(fits(&wanted, Some(&found)), expected, "{wanted}");
        }
    }
}
