//! The files of a sweep and of its report: names, columns, values.

use std::path::Path;

use serde_json::json;
use trainability::run::Run;
use trainability_record::controls::read_rows;

use super::workdir::{MEASURED, UPDATES, Workdir, assert_contains};

const CONTROLS_HEADER: &str = "task,update,layer,learning_rate,samples,effective_step,gradient_sq_norm,noise_variance,\
    sharpness,sharpness_min,sharpness_residual,normalized_sharpness,sharpness_mean,volatility,noise_bound,noise_bound_debiased,\
    volatility_bound,level_bound,combined_bound,action";

const TASKS_COLUMNS: [&str; 19] = [
    "task",
    "updates",
    "online_accuracy",
    "final_accuracy",
    "final_loss",
    "test_accuracy",
    "hessian_rank",
    "sharpness",
    "weight_norm",
    "gradient_norm",
    "update_norm",
    "update_to_weight",
    "unit_sign_entropy",
    "dead_units",
    "effective_rank",
    "noise_bound",
    "volatility_bound",
    "rho",
    "task_age",
];

#[test]
fn a_sweep_records_where_its_results_come_from() {
    let work = Workdir::new();
    work.sweep("out", &["--jobs", "2"]).succeeded();
    let sweep = work.json("out/sweep.json");
    assert_eq!(sweep["name"], "tiny");
    assert_eq!((&sweep["runs"], &sweep["jobs"], &sweep["threads_per_run"]), (&json!(2), &json!(2), &json!(1)));
    assert_eq!(sweep["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(sweep["libtorch"], "2.13.0");
    assert!(sweep["tch"].as_str().unwrap().starts_with("0.26."));
    assert!(!sweep["processor"].as_str().unwrap().is_empty());
    assert_eq!((&sweep["data"]["set"], &sweep["data"]["images"]), (&json!("idx"), &json!(48)));
    assert_eq!(sweep["data"]["checksum"], work.plan().1.checksum);
    assert!(sweep["start"].as_str().unwrap() <= sweep["end"].as_str().unwrap());
    for key in ["git_commit", "git_dirty"] {
        assert!(sweep.as_object().unwrap().contains_key(key), "{key}");
    }
    let experiment = &sweep["experiment"];
    assert_eq!(experiment["training"]["beta2"], 0.999, "defaults are filled in");
    assert_eq!(experiment["methods"], json!(["relu"]));
}

#[test]
fn a_run_records_its_options_events_and_times() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    let run = work.json("out/runs/relu/paper/seed-0/run.json");
    assert_eq!((&run["status"], &run["updates"], &run["tasks"]), (&json!("finished"), &json!(UPDATES), &json!(3)));
    assert_eq!((&run["method"], &run["schedule"], &run["seed"]), (&json!("relu"), &json!("paper"), &json!(0)));
    assert_eq!(run["configuration_hash"].as_str().unwrap().len(), 64);
    assert_eq!((&run["diverged_at_task"], &run["error"]), (&json!(null), &json!(null)));
    let schedule = &run["options"]["schedule"];
    assert_eq!(
        (&schedule["cool"], &schedule["statistic"], &schedule["beta"]),
        (&json!(0.9), &json!("volatility"), &json!(1.0))
    );
    let events = run["events"].as_array().unwrap();
    assert_eq!(events.len(), 3);
    for (event, layer) in events.iter().zip(["fc1", "fc2", "fc3"]) {
        let count = |key: &str| event[key].as_u64().unwrap();
        assert_eq!(
            (event["layer"].as_str(), count("cooled") + count("warmed") + count("held")),
            (Some(layer), MEASURED)
        );
    }
    for part in ["total", "forward_backward", "optimizer", "variance", "curvature", "indicators"] {
        assert!(run["seconds"][part].as_f64().unwrap() > 0.0, "{part}");
    }
    assert_eq!(work.json("out/runs/relu/constant/seed-0/run.json")["events"], json!([]));
}

#[test]
fn the_rows_of_a_run_have_their_columns_and_read_back_to_the_same_bits() {
    let work = Workdir::new();
    work.experiment(&[("schedules", json!(["debiased"]))]);
    let name = "relu/debiased/seed-0";
    work.sweep("out", &[]).succeeded();
    let [tasks, controls] = work.rows("out", name);
    assert_eq!(controls.lines().next(), Some(CONTROLS_HEADER));
    let header: Vec<&str> = tasks.lines().next().unwrap().split(',').collect();
    TASKS_COLUMNS.iter().for_each(|column| assert!(header.contains(column), "{column} is not in {header:?}"));

    let (plan, set) = work.plan();
    let mut run = Run::new(&plan.runs[0], &set).unwrap();
    let (mut expected_tasks, mut expected_controls) = (Vec::new(), Vec::new());
    while !run.is_over() {
        let advance = run.advance().unwrap();
        expected_controls.extend(advance.controls);
        expected_tasks.extend(advance.task);
    }
    let read = read_rows(Path::new("controls.csv"), controls.as_bytes()).unwrap();
    // 48 images in minibatches of 20, 20 and 8, of which every third update is an epoch's first.
    let expected = |update: u64| if update.is_multiple_of(3) { 8.0 } else { 20.0 };
    assert!(read.iter().all(|row| row.value("samples") == Some(expected(row.update))));
    // As text, since that tells 0.0 from -0.0.
    assert_eq!(format!("{read:?}"), format!("{expected_controls:?}"));
    let mut reader = csv::Reader::from_reader(tasks.as_bytes());
    let read: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let expected: Vec<Vec<String>> =
        expected_tasks.into_iter().map(|row| row.into_iter().map(|(_, field)| field).collect()).collect();
    assert_eq!(read, expected);
}

#[test]
fn a_report_writes_its_tables_pages_and_figures() {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["relu", "reset"])), ("seeds", json!(2))]);
    work.sweep("out", &[]).succeeded();
    let runs = work.snapshot("out/runs");
    let said = work.run(&["report", "out", "--plots", "figures"]).succeeded();
    assert_eq!(work.snapshot("out/runs"), runs, "a report only reads the runs");
    said.tells(&[
        "Verdicts on the paper",
        "Accuracy by arm",
        "Pooled over arms",
        "figures/online_accuracy.png",
        "Open out/report.html",
    ]);

    let summary = work.read("out/summary.csv");
    assert!(summary.starts_with("method,schedule,n,mean_online_accuracy,"), "{summary}");
    assert_eq!(summary.lines().count(), 1 + 3);
    let predictiveness = work.read("out/predictiveness.csv");
    assert!(predictiveness.starts_with("indicator,role,horizon,"), "{predictiveness}");
    for indicator in ["task_age", "online_accuracy", "hessian_rank", "rho"] {
        assert!(predictiveness.lines().any(|line| line.starts_with(&format!("{indicator},"))), "{indicator}");
    }
    let (markdown, html) = (work.read("out/report.md"), work.read("out/report.html"));
    assert!(markdown.contains("../figures/online_accuracy.png"), "figures are linked from where the report lies");
    assert!(html.starts_with("<!"), "{html}");
    let figures: Vec<String> =
        work.snapshot("figures").into_keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    let inlined = html.matches("<svg role=").count() + html.matches("data:image/png;base64,").count();
    assert_eq!(
        inlined,
        figures.iter().filter(|name| name.ends_with(".png")).count(),
        "one file holds all: {figures:?}"
    );
    for figure in ["online_accuracy", "learning_rate", "effective_step_bounds-relu", "predictiveness"] {
        let name = format!("{figure}.png");
        assert!(figures.contains(&name), "{name} is not in {figures:?}");
        assert!(std::fs::read(work.path("figures").join(name)).unwrap().starts_with(b"\x89PNG"));
    }
}

#[test]
fn layers_whose_bound_was_never_defined_have_empty_fields_and_a_warning() {
    let work = Workdir::new();
    let methods = json!(["batch_norm", "layer_norm"]);
    work.experiment(&[("methods", methods), ("schedules", json!(["constant", "paper"])), ("seeds", json!(1))]);
    work.sweep("out", &[]).succeeded();
    for (method, hidden) in [("batch_norm", false), ("layer_norm", true)] {
        let [_, controls] = work.rows("out", &format!("{method}/paper/seed-0"));
        for row in controls.lines().skip(1) {
            let fields: Vec<&str> = row.split(',').collect();
            let defined = hidden || fields[2] == "fc3";
            assert_eq!(!fields[7].is_empty(), defined, "{method}: {row}");
            assert_eq!(fields[19] != "undefined", defined, "{method}: {row}");
        }
    }
    let said = work.run(&["report", "out", "--plots", "plots"]).succeeded().tells(&[
        "batch_norm/paper: the bound that the schedule keeps to was undefined at every control event in fc1, fc2 in 1 of \
         1 runs, so that it acted on the other layers alone.",
    ]);
    assert!(!said.stdout.contains("layer_norm/paper: the bound"));
}

#[test]
fn a_schedule_that_never_fired_is_warned_about_in_terminal_markdown_and_html() {
    let work = Workdir::new();
    work.experiment(&[("control", json!({ "floor": 1e9, "warm_window": "off" })), ("seeds", json!(2))]);
    work.sweep("out", &[]).succeeded();
    let [constant, paper] = ["constant", "paper"].map(|schedule| work.rows("out", &format!("relu/{schedule}/seed-0")));
    assert_eq!(constant[0], paper[0], "a run that nothing was done to is its control");
    let warning = "relu/paper: the schedule never fired in 2 of 2 runs";
    let said = work.run(&["report", "out", "--plots", "plots"]).succeeded().tells(&[warning]);
    assert!(!said.stdout.contains("relu/constant: the schedule never fired"));
    assert_contains(&work.read("out/report.md"), &[warning]);
    assert_contains(&work.read("out/report.html"), &[warning]);
}
