//! Names in a configuration, and of folders: they are not paths, and nothing that is written leaves its folder.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use trainability::experiment::{Experiment, ImageFacts, Plan};

use super::damage::check;

/// An experiment with one thing replaced, planned or refused.
fn plan(key: &str, value: Value) -> Result<Plan, String> {
    let mut experiment = json!({
        "name": "names",
        "stream": { "tasks": 1, "epochs": 1 },
        "methods": ["relu"],
        "schedules": ["constant"],
        "seeds": 1,
    });
    experiment[key] = value;
    let experiment = Experiment::from_value(experiment, "names.json", "names").map_err(|error| error.to_string())?;
    Plan::new(experiment, &ImageFacts::bare(1000, "none")).map_err(|error| error.to_string())
}

/// The three places of a name that becomes a folder.
fn named(name: &str) -> [(&'static str, Value); 4] {
    [
        ("name", json!(name)),
        ("methods", json!([{ "label": name, "parts": ["relu"] }])),
        ("methods", json!([{ "label": name, "name": "relu" }])),
        ("schedules", json!([{ "label": name, "name": "constant" }])),
    ]
}

#[test]
fn names_that_are_no_plain_folders_are_refused() {
    let long = "x".repeat(81);
    let hostile = [
        "..",
        ".",
        "../x",
        "a/../b",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:\\x",
        "c:",
        "~",
        "~root",
        "-rf",
        " ",
        "a b",
        "a\0b",
        "\0",
        "a\nb",
        "a\r",
        "\u{1b}[2J",
        "\u{202e}uler",
        "a\u{200b}",
        "\u{feff}a",
        "re\u{301}lu",
        "ｒｅｌｕ",
        "relu ",
        "con",
        "CON",
        "nul.txt",
        "Aux",
        "prn",
        "com1",
        "LPT9.x",
        "a.",
        "a..",
        "$HOME",
        "`id`",
        "$(id)",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "*",
        "?",
        "<script>",
        "\"",
        "'",
        "%2e%2e",
        "=1+1",
        "@x",
        "+x",
        &long,
    ];
    for name in hostile {
        for (key, value) in named(name) {
            let refusal = plan(key, value).map(|plan| plan.name).expect_err(name);
            assert!(refusal.contains("letters, digits or any of"), "{name:?}: {refusal}");
            assert!(!refusal.chars().any(char::is_control), "{name:?} is not quoted: {refusal:?}");
        }
    }
    // An experiment without a name has that of its file.
    assert_eq!(plan("name", json!("")).map(|plan| plan.name), Ok("names".to_owned()));
    for (key, value) in named("").into_iter().skip(1) {
        assert!(plan(key, value).is_err_and(|refusal| refusal.contains("letters, digits or any of")));
    }
}

#[test]
fn labels_that_are_one_folder_on_some_systems_are_refused() {
    let methods = |one: &str, other: &str| {
        plan("methods", json!([{ "label": one, "parts": ["relu"] }, { "label": other, "parts": ["relu"] }]))
    };
    assert!(methods("mine", "other").is_ok());
    let refusal = methods("mine", "Mine").map(|plan| plan.name).unwrap_err();
    assert!(refusal.contains("\"Mine\" a second time"), "{refusal}");
}

#[test]
fn names_and_values_of_a_grid_are_no_paths() {
    for value in [json!("../../x"), json!("a\0"), json!({ "..": "/" }), json!([["/"]]), json!("\u{202e}")] {
        for key in ["control.noise", "stream.kind", "training.precision", "network.hidden", "control.../..", "stream./"]
        {
            assert!(plan("grid", json!({ key: [value] })).is_err(), "{key} {value}");
        }
    }
}

#[test]
fn a_grid_that_would_fill_memory_is_refused_at_once() {
    let values: Vec<usize> = (1..11).collect();
    let keys = [
        "stream.tasks",
        "stream.epochs",
        "measure.window",
        "measure.interval",
        "measure.probe_images",
        "training.batch_size",
        "data.images",
    ];
    let grid: serde_json::Map<String, Value> = keys.iter().map(|key| (key.to_string(), json!(values))).collect();
    let refusal = plan("grid", Value::Object(grid)).map(|plan| plan.name).unwrap_err();
    assert!(refusal.contains("at most 200000 runs"), "{refusal}");
    let deep = format!("stream{}", ".a".repeat(100_000));
    let refusal = plan("grid", json!({ deep: [1] })).map(|plan| plan.name).unwrap_err();
    assert!(refusal.contains("at most 8 keys joined by dots"), "{refusal}");
    assert!(refusal.len() < 500, "a sentence: {refusal}");
    let setting = format!("{}=1", ["a"; 50_000].join("."));
    let refusal = Experiment::parse("{}", &[setting], "a.json", "a").unwrap_err().to_string();
    assert!(refusal.contains("at most 8 keys joined by dots"));
}

#[test]
fn keys_that_are_there_twice_are_refused() {
    let text = r#"{ "stream": { "tasks": 1, "epochs": 2, "tasks": 3 }, "methods": ["relu"], "schedules": ["constant"], "seeds": 1 }"#;
    let refusal = Experiment::parse(text, &[], "a.json", "a").unwrap_err().to_string();
    assert!(refusal.starts_with("a.json: at `stream.tasks`: this key is there twice"), "{refusal}");
    let setting = r#"stream={"tasks": 1, "tasks": 2, "epochs": 1}"#.to_owned();
    let refusal = Experiment::parse("{}", &[setting], "a.json", "a").unwrap_err().to_string();
    assert!(refusal.contains("at `tasks`: this key is there twice"), "{refusal}");
}

#[test]
fn whatever_a_label_is_a_run_has_a_plain_folder_or_is_refused() {
    let label = prop_oneof![
        "[a-zA-Z0-9_.+=@,/\\\\-]{0,12}",
        "\\PC{0,12}",
        any::<String>(),
        prop::sample::select(vec!["con", "relu", "constant", "paper", "reset"]).prop_map(str::to_owned),
    ];
    check(300, label, |label| {
        for (key, value) in named(&label) {
            let Ok(plan) = plan(key, value) else { continue };
            let run = plan.runs[0].name();
            let place = Path::new("results").join(&plan.name).join("runs").join(&run);
            let parts: Vec<_> = place.components().collect();
            assert!(parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))), "{place:?}");
            assert_eq!(parts.len(), 6, "{place:?}");
        }
    });
}
