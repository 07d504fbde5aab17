//! Several processes, each with a share of one sweep.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::workdir::Workdir;

fn start(work: &Workdir, shard: &str) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out", "--jobs", "1", "--shard", shard]).current_dir(work.path(""));
    program.env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn assert_union_is_whole(work: &Workdir) {
    work.assert_same_runs("out", "whole");
    let [mut ours, mut whole] =
        ["out", "whole"].map(|out| serde_json::from_str::<Value>(&work.read(format!("{out}/sweep.json"))).unwrap());
    for sweep in [&mut ours, &mut whole] {
        assert!(sweep["end"].is_string(), "each that leaves notes the end");
        for key in ["start", "end", "jobs", "digest"] {
            sweep.as_object_mut().unwrap().shift_remove(key);
        }
    }
    assert_eq!(ours, whole);
    assert!(!work.path("out/at-work").exists());
}

/// Waits until a sweep has begun a run.
fn wait_for_work(work: &Workdir, stem: &str) {
    let begin = Instant::now();
    let is_at_work = || {
        let claims = fs::read_dir(work.path("out/at-work")).into_iter().flatten().flatten();
        let own = claims.filter(|claim| claim.file_name().to_string_lossy().starts_with(stem));
        own.filter_map(|claim| fs::read_to_string(claim.path()).ok()).any(|text| text.contains("seed-"))
    };
    while !is_at_work() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{stem} never begins");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn shares_side_by_side_are_the_whole_sweep() {
    let work = Workdir::of_twelve_runs(3);
    let children = ["1/4", "2/4", "3/4", "4/4"].map(|shard| start(&work, shard));
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_union_is_whole(&work);
    work.sweep("out", &["--shard", "2/4"]).succeeded().tells(&["0 runs finished, 3 were finished before"]);
    work.sweep("out", &["--shard", "13/13"]).succeeded().tells(&["0 runs finished, 0 were finished before"]);
    work.sweep("out", &[]).succeeded().tells(&["0 runs finished, 12 were finished before"]);
    work.sweep("out", &["--shard", "1/5", "--dry-run"]).succeeded().tells(&["3 runs, ", "0 of them are left"]);
}

#[test]
fn a_share_whose_process_was_killed_is_taken_up_by_the_next_and_overlapping_ones_are_refused() {
    let work = Workdir::of_twelve_runs(60);
    let mut killed = start(&work, "1/2");
    wait_for_work(&work, "1-of-2");
    let told = format!("another sweep is at work in out (shard 1/2, process {} on ", killed.id());
    for overlapping in [&["--shard", "1/2"][..], &["--shard", "1/3"], &[], &["--shard", "2/2", "--only", "relu/*/*"]] {
        work.sweep("out", overlapping).failed_with(&[&told, "wait for it, or choose another --out"]);
    }
    let status = |parts: &[&str]| work.run(&["status", "out"]).succeeded().tells(parts);
    let process = format!("shard 1/2, process {} on ", killed.id());
    status(&["12 runs: ", "1 running, ", &process, ": at work, last sign of life", " (running): "]);
    let seen: Value = serde_json::from_str(&work.run(&["status", "out", "--json"]).stdout).unwrap();
    assert_eq!(seen["workers"][0]["process"], killed.id());
    assert_eq!((&seen["workers"][0]["is_alive"], &seen["counts"]["running"]), (&json!(true), &json!(1)));
    // The other share is nobody's.
    let asked_for = seen["asked_for"].as_u64().unwrap();
    assert!(0 < asked_for && asked_for < 12 && seen["workers"][0]["left"] == asked_for, "{seen}");
    status(&[" of them to be trained now"]);

    killed.kill().unwrap();
    killed.wait().unwrap();
    status(&["1 interrupted, ", "nobody is at work", &process, ": dead, last sign of life", " (interrupted): "]);
    assert!(!work.run(&["status", "out"]).stdout.contains(" left"));
    work.sweep("out", &["--shard", "2/2"]).succeeded();
    work.sweep("out", &["--shard", "1/2"]).succeeded();
    assert_union_is_whole(&work);
    let watched = work.run(&["status", "out", "--watch", "1"]);
    assert!(watched.stdout.starts_with("12 runs: 12 finished, 0 not begun\n"), "{}", watched.stdout);
}

#[test]
fn a_share_that_is_none_is_refused() {
    let work = Workdir::new();
    for bad in ["0/2", "3/2", "2", "a/b", "", "1/18446744073709551615"] {
        let told = format!(
            "--shard: {bad:?} is no shard, expected K/N with K from 1 to N and N at most 1000000, such as 3/16"
        );
        work.refuse_sweep(&["--shard", bad], &[&told]);
    }
}
