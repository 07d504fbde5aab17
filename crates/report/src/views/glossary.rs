//! What the sweep's methods and schedules are: the words of the sweep's glossary for each, and the options that are its own.

use serde_json::{Map, Value};
use trainability_record::Glossary;
use trainability_record::label::of_value;

use crate::evidence::Evidence;
use crate::results::RecordedRun;
use crate::setting::base;
use crate::views::table::Table;

/// How to read both tables.
pub(crate) const NOTE: &str =
    "Options that are not listed have their defaults; several values are those of different arms.";

/// What a run says of its method or its schedule.
struct Account {
    /// What it is, in the glossary's words.
    about: String,
    /// Its options.
    options: Vec<SharedOption>,
}

/// An option of arms that share a label: its values in order of appearance, and whether any is not the default.
struct SharedOption {
    key: String,
    values: Vec<String>,
    changed: bool,
}

/// A row a method, whatever the point of the grid.
pub(crate) fn methods(evidence: &Evidence) -> Table {
    let label = |run: &RecordedRun| base(&run.arm.method, &evidence.grid_keys).to_owned();
    table(evidence, "Methods", "method", label, |run| method(&evidence.sweep.glossary, run, &label(run)))
}

/// A row a schedule.
pub(crate) fn schedules(evidence: &Evidence) -> Table {
    let label = |run: &RecordedRun| run.arm.schedule.clone();
    table(evidence, "Schedules", "schedule", label, |run| schedule(&evidence.sweep.glossary, run))
}

fn table(
    evidence: &Evidence,
    title: &str,
    noun: &str,
    label: impl Fn(&RecordedRun) -> String,
    account: impl Fn(&RecordedRun) -> Account,
) -> Table {
    let mut rows: Vec<(String, String, Vec<SharedOption>)> = Vec::new();
    for run in evidence.sweep.finished() {
        let (label, account) = (label(run), account(run));
        let place = rows.iter().position(|row| row.0 == label).unwrap_or_else(|| {
            rows.push((label, account.about, Vec::new()));
            rows.len() - 1
        });
        account.options.into_iter().for_each(|option| remember(&mut rows[place].2, option));
    }
    let mut table = Table::new(title, "", &[noun, "what it is", "options"]);
    for (label, about, options) in rows {
        let changed = options.iter().filter(|option| option.changed);
        let options: Vec<_> =
            changed.map(|option| format!("{} = {}", option.key, option.values.join(" or "))).collect();
        table.push(vec![label, about, options.join(", ")], false);
    }
    table
}

/// Joins the option of a further arm.
fn remember(options: &mut Vec<SharedOption>, other: SharedOption) {
    match options.iter_mut().find(|option| option.key == other.key) {
        Some(option) => {
            option.changed |= other.changed;
            for value in other.values {
                if !option.values.contains(&value) {
                    option.values.push(value);
                }
            }
        }
        None => options.push(other),
    }
}

/// The parts of a run's method: name and options. A run that does not record them has the part that it is called after.
fn parts(run: &RecordedRun, label: &str) -> Vec<(String, Map<String, Value>)> {
    let recorded = run.record.as_ref().and_then(|record| record.options.pointer("/method/parts")?.as_array());
    let part = |value: &Value| {
        let options = value.get("options").and_then(Value::as_object).cloned().unwrap_or_default();
        Some((value.get("name")?.as_str()?.to_owned(), options))
    };
    recorded.map_or_else(|| vec![(label.to_owned(), Map::new())], |parts| parts.iter().filter_map(part).collect())
}

fn method(glossary: &Glossary, run: &RecordedRun, label: &str) -> Account {
    let parts = parts(run, label);
    let (mut about, mut options) = (Vec::new(), Vec::new());
    for (name, used) in &parts {
        let part = glossary.parts.get(name);
        about.push(told(label, name, part.map(|part| part.about.as_str())));
        let prefix = if parts.len() > 1 { format!("{name}.") } else { String::new() };
        let defaults = part.map_or(&Value::Null, |part| &part.defaults);
        options.extend(settings(&prefix, used, defaults));
    }
    Account { about: about.join("; "), options }
}

fn schedule(glossary: &Glossary, run: &RecordedRun) -> Account {
    let label = run.arm.schedule.as_str();
    let options = run.record.as_ref().map_or(&Value::Null, |record| &record.options);
    let used = options.get("schedule").and_then(Value::as_object).cloned().unwrap_or_default();
    let name = used.get("name").and_then(Value::as_str).unwrap_or(label);
    let known = glossary.schedules.get(name);
    let learning_rate = options.pointer("/training/learning_rate").and_then(Value::as_f64).unwrap_or(f64::NAN);
    let parts: Vec<String> = parts(run, &run.arm.method).into_iter().map(|(name, _)| name).collect();
    let defaults = known.map_or(Value::Null, |known| known.defaults_for(&parts, learning_rate));
    // The bounds of a schedule that goes by the clock are recorded, not acted on.
    let own =
        settings("", &used, &defaults).filter(|option| !["name", "bounds", "sha256"].contains(&option.key.as_str()));
    Account { about: told(label, name, known.map(|known| known.about.as_str())), options: own.collect() }
}

/// What something is, after its name where its label is another.
fn told(label: &str, name: &str, about: Option<&str>) -> String {
    let about = about.unwrap_or("not known to this version");
    if label == name { about.to_owned() } else { format!("{name}: {about}") }
}

fn settings<'v>(
    prefix: &'v str,
    used: &'v Map<String, Value>,
    defaults: &'v Value,
) -> impl Iterator<Item = SharedOption> + 'v {
    used.iter().map(move |(key, value)| SharedOption {
        key: format!("{prefix}{key}"),
        values: vec![of_value(value)],
        changed: defaults.get(key) != Some(value),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::results::RecordedSweep;
    use crate::selected::Selected;
    use crate::tests::synthetic::run;

    fn evidence(runs: Vec<RecordedRun>, grid: Value) -> Evidence {
        let provenance = Some(json!({ "experiment": { "grid": grid } }));
        let sweep = RecordedSweep { name: "t".into(), provenance, glossary: Glossary::format2(), runs };
        Evidence::of(Selected { sweep, ..Selected::default() })
    }

    fn part(name: &str) -> String {
        Glossary::format2().parts[name].about.clone()
    }

    fn about(schedule: &str) -> String {
        Glossary::format2().schedules[schedule].about.clone()
    }

    fn options(parts: Value, schedule: Value) -> Value {
        json!({ "training": { "learning_rate": 1e-3 }, "method": { "parts": parts }, "schedule": schedule })
    }

    #[test]
    fn each_label_is_told_by_its_parts_and_the_options_of_its_own() {
        let plain = json!([{ "name": "wasserstein", "options": { "coefficient": 1e-3 } }]);
        let both = json!([
            { "name": "crelu", "options": { "match_parameters": false } },
            { "name": "wasserstein", "options": { "coefficient": 0.25 } }
        ]);
        let constant = json!({ "name": "constant", "bounds": { "beta": 7.0 } });
        let slow = json!({ "name": "constant", "learning_rate": 1e-4, "bounds": {} });
        let evidence = evidence(
            vec![
                run("wasserstein", "constant", 0, options(plain.clone(), constant)),
                run("wasserstein", "slow", 0, options(plain, slow)),
                run("mild", "slow", 0, options(both, json!({ "name": "constant", "learning_rate": 1e-4 }))),
            ],
            json!({}),
        );
        let wasserstein = part("wasserstein");
        assert_eq!(
            methods(&evidence).rows,
            [
                vec!["wasserstein".to_owned(), wasserstein.clone(), String::new()],
                vec![
                    "mild".to_owned(),
                    format!("crelu: {}; wasserstein: {wasserstein}", part("crelu")),
                    "wasserstein.coefficient = 0.25".to_owned()
                ],
            ]
        );
        let constant = about("constant");
        assert_eq!(
            schedules(&evidence).rows,
            [
                vec!["constant".to_owned(), constant.clone(), String::new()],
                vec!["slow".to_owned(), format!("constant: {constant}"), "learning_rate = 0.0001".to_owned()],
            ]
        );
    }

    #[test]
    fn arms_of_a_grid_share_a_row_and_a_preset_is_no_option_of_ones_own() {
        let paper = |beta: f64| {
            let mut options = Glossary::format2().schedules["paper"].defaults.clone();
            options["beta"] = json!(beta);
            options
        };
        let arm = |beta: f64| {
            let parts = json!([{ "name": "relu", "options": {} }]);
            run(&format!("relu@beta={beta}"), "paper", 0, options(parts, paper(beta)))
        };
        let evidence = evidence(vec![arm(1.0), arm(2.5), arm(10.0)], json!({ "control.beta": [1.0, 2.5, 10.0] }));
        let relu = vec!["relu".to_owned(), part("relu").to_owned(), String::new()];
        assert_eq!(methods(&evidence).rows, [relu]);
        assert_eq!(schedules(&evidence).rows[0][2], "beta = 1.0 or 2.5 or 10.0", "not what the preset sets");
    }

    #[test]
    fn what_is_not_recorded_or_not_known_is_told_by_its_label() {
        let unknown = json!([{ "name": "novel", "options": { "depth": 3 } }]);
        let runs = vec![run("relu", "debiased", 0, json!({})), run("novel", "later", 0, options(unknown, json!({})))];
        let evidence = evidence(runs, json!({}));
        let (methods, schedules) = (methods(&evidence), schedules(&evidence));
        assert_eq!(methods.rows[0][1], part("relu"));
        assert_eq!(methods.rows[1][1..], ["not known to this version", "depth = 3"]);
        assert_eq!(schedules.rows[0][1], about("debiased"));
        assert_eq!(schedules.rows[1][1..], ["not known to this version", ""]);
    }
}
