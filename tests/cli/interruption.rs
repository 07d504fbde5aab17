//! Stopped by a signal at any moment, a sweep ends with the bytes of one that was let alone.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use trainability_record::Status;

use super::workdir::Workdir;

const RUNS: [&str; 2] = ["crelu+wasserstein/debiased/seed-0", "l2_adam/debiased/seed-0"];

/// An experiment of a few seconds, so that signals meet it at work.
fn workplace() -> Workdir {
    let work = Workdir::new();
    work.experiment(&[
        ("methods", json!(["crelu+wasserstein", "l2_adam"])),
        ("schedules", json!(["debiased"])),
        ("stream.tasks", json!(4)),
        ("stream.epochs", json!(100)),
    ]);
    work.sweep("whole", &["--jobs", "1"]).succeeded();
    work
}

fn start(work: &Workdir) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out", "--jobs", "2"]).current_dir(work.path(""));
    program.env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal by its name some time after the sweep has said that it is at work.
fn signal_at_work(child: &mut Child, name: &str, after: Duration) {
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(" updates"), "{line}");
    sleep(after);
    send(child, name);
}

fn send(child: &Child, name: &str) {
    Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
}

fn assert_whole(work: &Workdir) {
    for run in RUNS {
        assert_eq!(work.rows("out", run), work.rows("whole", run), "{run}");
        assert_eq!(work.record("out", run).events, work.record("whole", run).events);
        assert!(!work.path(format!("out/runs/{run}/checkpoint")).exists());
    }
}

#[test]
fn a_polite_signal_leaves_a_checkpoint_and_the_same_command_goes_on() {
    let work = workplace();
    for (round, (name, code)) in [("INT", 130), ("TERM", 143)].into_iter().enumerate() {
        let mut child = start(&work);
        signal_at_work(&mut child, name, Duration::from_millis(100 + 150 * round as u64));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("the same command goes on from there"), "{said}");
        let stopped = RUNS.iter().filter(|run| work.path(format!("out/runs/{run}/checkpoint")).exists()).count();
        assert!(stopped > 0, "the signals come long before the end");
    }
    work.sweep("out", &[]).succeeded();
    assert_whole(&work);
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let work = workplace();
    for round in 0..8 {
        let mut child = start(&work);
        // Now and then a checkpoint is written first, which batch systems ask for.
        if round % 2 == 0 {
            signal_at_work(&mut child, "USR1", Duration::from_millis(60));
            sleep(Duration::from_millis(40));
            send(&child, "KILL");
        } else {
            signal_at_work(&mut child, "KILL", Duration::from_millis(31 * round));
        }
        child.wait().unwrap();
    }
    work.sweep("out", &[]).succeeded();
    assert_whole(&work);
}

#[test]
fn a_request_for_a_checkpoint_is_heard_and_the_run_goes_on() {
    let work = workplace();
    let mut child = start(&work);
    signal_at_work(&mut child, "USR1", Duration::from_millis(50));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(RUNS.iter().all(|run| work.record("out", run).status == Status::Finished));
    assert_whole(&work);
}
