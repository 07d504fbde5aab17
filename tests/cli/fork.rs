//! `--fork`: a changed experiment goes into a new folder, and takes with it what has not changed.

use std::fs;

use serde_json::json;
use trainability_record::RunRecord;

use super::workdir::{Workdir, assert_contains};

const KEPT: &str = "relu/constant/seed-0";
const CHANGED: &str = "relu/paper/seed-0";

#[test]
fn a_changed_experiment_is_forked_and_keeps_the_runs_whose_options_are_the_same() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    let original = work.snapshot("out");
    let changed = ["--set", "control.cool=0.8"];
    work.refuse_sweep(&changed, &["schedule.cool was 0.9 and is 0.8", "--fork NEW_NAME"]);
    let said = work.sweep("out", &[&changed[..], &["--fork", "new"]].concat()).succeeded();
    assert_eq!(said.stdout, "1 runs finished, 1 were finished before; results in new\n");
    assert_eq!(work.snapshot("out"), original, "the original stays as it is");
    assert_eq!((work.rows("new", KEPT), work.record("new", KEPT)), (work.rows("out", KEPT), work.record("out", KEPT)));
    assert_eq!(work.record("new", CHANGED).options["schedule"]["cool"], json!(0.8));
    work.sweep("direct", &changed).succeeded();
    assert_eq!(work.rows("new", CHANGED), work.rows("direct", CHANGED));
    assert_eq!(work.json("new/sweep.json")["fork"], json!({ "of": "out", "kept": 1 }));
    assert!(!work.path("new/incoming").exists());

    let forked = work.snapshot("new");
    work.sweep("out", &[&changed[..], &["--fork", "new"]].concat()).succeeded().tells(&["0 runs finished, 2 were"]);
    work.sweep("new", &changed).succeeded().tells(&["0 runs finished, 2 were finished before"]);
    assert_eq!(work.snapshot("new"), forked);
    work.run(&["report", "new", "--plots", "plots"]).succeeded();
}

#[test]
fn a_run_is_known_by_its_options_whatever_its_label() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded();
    work.experiment(&[("methods", json!([{ "name": "relu", "label": "plain" }]))]);
    work.sweep("out", &["--fork", "new"]).succeeded().tells(&["0 runs finished, 2 were finished before"]);
    let (kept, original) = (work.record("new", "plain/paper/seed-0"), work.record("out", CHANGED));
    assert_eq!(kept, RunRecord { method: "plain".to_owned(), ..original });
    assert_eq!(work.rows("new", "plain/paper/seed-0"), work.rows("out", CHANGED));
}

#[test]
fn what_is_damaged_or_unfinished_is_not_kept_but_trained_anew() {
    let work = Workdir::new();
    work.sweep("whole", &[]).succeeded();
    work.sweep("out", &["--only", KEPT]).succeeded();
    let path = format!("out/runs/{KEPT}/controls.csv");
    fs::write(work.path(&path), work.read(&path).replacen(",fc1,", ",fc2,", 1)).unwrap();
    let said = work.sweep("out", &["--fork", "new"]).succeeded().tells(&["2 runs finished, 0 were finished before"]);
    assert_contains(&said.stderr, &[&format!("out/runs/{KEPT} is not kept: {path} is damaged: its SHA-256")]);
    for run in [KEPT, CHANGED] {
        assert_eq!(work.rows("new", run), work.rows("whole", run));
    }
    let record = format!("out/runs/{KEPT}/run.json");
    fs::write(work.path(&record), "{}").unwrap();
    let said = work.sweep("out", &["--fork", "newer"]).succeeded().tells(&["2 runs finished, 0 were finished before"]);
    assert_contains(&said.stderr, &[&format!("{record} is damaged: it has no digest")]);
}

#[test]
fn there_must_be_something_to_fork() {
    let work = Workdir::new();
    work.refuse_sweep(&["--fork", "new"], &["out holds no runs that --fork could keep"]);
    work.refuse(
        &["sweep", "tiny.json", "--fork", "new", "--retry-failed"],
        &["--fork <NEW_NAME>' cannot be used with '--retry-failed'"],
    );
}
