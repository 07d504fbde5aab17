//! What a sweep will cost is told before it is paid: by `--dry-run`, and at the head of one that takes a while.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;

use super::workdir::{Said, UPDATES, Workdir, hear_signals};

/// Runs and updates of each line of the table.
fn table(said: &Said) -> Vec<(u64, u64)> {
    let rows = said.stdout.lines().skip_while(|line| !line.contains("kind of run")).skip(1);
    let rows = rows.take_while(|line| line.starts_with(' '));
    let number = |word: &str| word.replace(',', "").parse::<u64>().unwrap();
    rows.map(|line| line.split_whitespace().collect::<Vec<_>>()).map(|row| (number(row[0]), number(row[1]))).collect()
}

#[test]
fn a_dry_run_counts_what_is_left() {
    let work = Workdir::new();
    let dry = |arguments: &[&str]| work.sweep("out", &[arguments, &["--dry-run"]].concat()).succeeded();
    assert_eq!(table(&dry(&["--seeds", "0..3"])), [(6, 6 * UPDATES)], "schedules and seeds are of one kind");
    work.sweep("out", &[]).succeeded();
    let said = dry(&["--seeds", "0..3"]);
    assert_eq!(table(&said), [(4, 4 * UPDATES)]);
    said.tells(&["6 runs, 162 updates", "4 of them are left to be trained"]);
    let said = dry(&[]);
    assert!(said.stdout.ends_with("2 runs, 54 updates\n0 of them are left to be trained\n"), "{}", said.stdout);
    // What a fork keeps costs nothing.
    let changed = ["--set", "control.cool=0.8", "--fork", "new"];
    let said = dry(&changed);
    assert_eq!(table(&said), [(1, UPDATES)]);
    assert!(!work.path("new").exists());
}

#[test]
fn lines_fit_a_terminal_and_say_everything() {
    let work = Workdir::new();
    let widths: Vec<[i64; 1]> = (1..=16).map(|width| [width]).collect();
    work.experiment(&[("grid", json!({ "network.hidden": widths })), ("methods", json!(["relu", "layer_norm"]))]);
    let said = work.sweep("out", &["--dry-run", "--jobs", "2"]).succeeded();
    let estimate = said.stdout.split_once("\n\n").unwrap().1;
    assert!(estimate.lines().count() <= 15 && estimate.lines().all(|line| line.chars().count() <= 80), "{estimate}");
    assert_eq!(table(&said).iter().map(|line| line.0).sum::<u64>(), 64);
    said.tells(&["kinds more", "about", "with 2 jobs", "disk", "on the way"]);
}

#[test]
fn a_sweep_that_takes_a_while_says_how_long_and_what_is_left_after_a_stop() {
    let work = Workdir::new();
    let whole = 3000 * 100 * 3;
    work.experiment(&[("schedules", json!(["constant"])), ("stream", json!({ "tasks": 3000, "epochs": 100 }))]);
    let mut program = Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out"]).current_dir(work.path("")).env("OMP_NUM_THREADS", "1");
    hear_signals(&mut program);
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), format!("1 runs, {whole} updates"));
    let time = lines.next().unwrap();
    assert!(time.starts_with("about ") && time.contains(" with 1 job"), "{time}");
    assert!(lines.next().unwrap().contains("disk "));
    let begun = work.path("out/runs/relu/constant/seed-0/tasks.csv.partial");
    while !begun.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let made = work.record("out", "relu/constant/seed-0").updates;
    assert!(made > 0);
    assert_eq!(table(&work.sweep("out", &["--dry-run"]).succeeded()), [(1, whole - made)]);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let work = Workdir::new();
    work.experiment(&[("training", json!({ "optimizer": "sgd", "batch_size": 20, "learning_rate": 1e30 }))]);
    work.sweep("out", &["--dry-run"]).succeeded().tells(&["2 runs", "their cost cannot be measured"]);
}
