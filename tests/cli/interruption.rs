//! Stopped by a signal at any moment, a sweep ends with the bytes of one that was let alone.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::workdir::{Workdir, hear_signals};

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

fn command(work: &Workdir) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out", "--jobs", "2"]).current_dir(work.path(""));
    program.env("OMP_NUM_THREADS", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    hear_signals(&mut program);
    program
}

fn start(work: &Workdir) -> Child {
    command(work).spawn().unwrap()
}

/// Sends a signal by its name some time after the sweep has said that it is at work.
fn signal_at_work(child: &mut Child, name: &str, after: Duration) {
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(" updates"), "{line}");
    sleep(after);
    send(child, name);
}

/// Whether a run has rows.
fn has_rows(work: &Workdir) -> bool {
    let rows = |run: &str| std::fs::metadata(work.path(format!("out/runs/{run}/tasks.csv.partial")));
    RUNS.iter().any(|run| rows(run).is_ok_and(|rows| rows.len() > 0))
}

fn wait_for_work(work: &Workdir) {
    while !has_rows(work) {
        sleep(Duration::from_millis(2));
    }
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

/// Waits for the end of a sweep that a signal stopped, and looks at what it says and leaves.
fn assert_stopped(work: &Workdir, child: Child, code: i32) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("the same command goes on from there"), "{said}");
    let stopped = RUNS.iter().filter(|run| work.path(format!("out/runs/{run}/checkpoint")).exists()).count();
    assert!(stopped > 0, "the signals come long before the end");
    assert!(!work.path("out/at-work").exists());
}

#[test]
fn a_signal_leaves_a_checkpoint_and_the_same_command_goes_on() {
    let work = workplace();
    for (round, (name, code)) in
        [("INT", 130), ("TERM", 143), ("HUP", 129), ("USR1", 138), ("USR2", 140), ("XCPU", 152)].into_iter().enumerate()
    {
        // Each from the beginning: what six have done together might be all there is to do.
        let _ = std::fs::remove_dir_all(work.path("out"));
        let child = start(&work);
        wait_for_work(&work);
        sleep(Duration::from_millis(10 * round as u64));
        send(&child, name);
        // A batch system tells both the sweep and the shell that passes it on.
        if name != "INT" {
            send(&child, name);
        }
        assert_stopped(&work, child, code);
    }
    work.sweep("out", &[]).succeeded();
    assert_whole(&work);
}

#[test]
fn what_a_process_was_started_to_ignore_it_ignores() {
    let work = workplace();
    let mut program = command(&work);
    // SAFETY: a signal is ignored in the child, and nothing else happens.
    unsafe {
        program.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        });
    }
    let mut child = program.spawn().unwrap();
    signal_at_work(&mut child, "HUP", Duration::from_millis(50));
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_whole(&work);
}

#[test]
fn a_terminal_that_is_closed_leaves_a_checkpoint() {
    let work = workplace();
    let (mut master, mut slave) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: the two numbers are there to be written, and nothing else is given.
    assert_eq!(unsafe { libc::openpty(&mut master, &mut slave, null, std::ptr::null_mut(), std::ptr::null_mut()) }, 0);
    // Whoever keeps the other side open, as a child would, keeps the terminal.
    // SAFETY: flags of files that were opened just now.
    [master, slave]
        .iter()
        .for_each(|&file| unsafe { assert_eq!(libc::fcntl(file, libc::F_SETFD, libc::FD_CLOEXEC), 0) });
    // SAFETY: both were opened just now and are nobody else's.
    let (master, slave) = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    let mut program = command(&work);
    let same = || Stdio::from(slave.try_clone().unwrap());
    program.stdin(same()).stdout(same()).stderr(same());
    // SAFETY: system calls alone, of which each is allowed between fork and exec.
    unsafe {
        program.pre_exec(|| {
            libc::setsid();
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
    let mut child = program.spawn().unwrap();
    drop((program, slave));
    let mut terminal = BufReader::new(File::from(master));
    let mut line = String::new();
    terminal.read_line(&mut line).unwrap();
    assert!(line.contains(" updates"), "{line}");
    // A terminal that nobody reads is full before long, and who writes to it waits.
    while !has_rows(&work) {
        assert_ne!(terminal.read(&mut [0; 4096]).unwrap(), 0);
    }
    drop(terminal);
    assert_eq!(child.wait().unwrap().code(), Some(129));
    assert!(RUNS.iter().any(|run| work.path(format!("out/runs/{run}/checkpoint")).exists()));
    let begun = RUNS.iter().filter(|run| work.path(format!("out/runs/{run}/run.json")).exists());
    begun.for_each(|run| assert_eq!(work.record("out", run).error, None, "{run}"));
    work.sweep("out", &[]).succeeded();
    assert_whole(&work);
}

#[test]
fn killed_again_and_again_it_ends_with_the_same_bytes() {
    let work = workplace();
    for round in 0..8 {
        let mut child = start(&work);
        // Now and then in the midst of a polite end.
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
fn runs_in_lockstep_go_on_from_their_checkpoints_together_and_are_close_to_what_they_are_alone() {
    let work = Workdir::new();
    work.experiment(&[
        ("methods", json!(["relu", "l2_adam", "batch_norm"])),
        ("schedules", json!(["constant", "debiased"])),
        ("stream.tasks", json!(4)),
        ("stream.epochs", json!(100)),
    ]);
    work.sweep("alone", &[]).succeeded();
    let lockstep = ["--engine", "lockstep", "--jobs", "2"];
    let said = work.sweep("whole", &lockstep).succeeded();
    let not =
        "not in lock step, since their networks normalise over the minibatch: batch_norm/constant/seed-0 and 1 more";
    assert!(said.stderr.contains(not), "{}", said.stderr);
    for name in ["TERM", "KILL"] {
        let mut child = command(&work).args(["--engine", "lockstep"]).spawn().unwrap();
        signal_at_work(&mut child, name, Duration::from_millis(150));
        child.wait_with_output().unwrap();
    }
    let left = work.runs("out").iter().filter(|run| work.path(format!("out/runs/{run}/checkpoint")).exists()).count();
    assert_eq!(left, 4, "the four in lock step");
    work.sweep("out", &lockstep).succeeded();
    work.assert_same_runs("out", "whole");
    for run in work.runs("whole") {
        let accuracy = |out: &str| -> f64 {
            let rows = work.rows(out, &run)[0].clone();
            let mut rows = csv::Reader::from_reader(rows.as_bytes());
            let place = rows.headers().unwrap().iter().position(|name| name == "online_accuracy").unwrap();
            rows.records().next().unwrap().unwrap()[place].parse().unwrap()
        };
        assert!((accuracy("whole") - accuracy("alone")).abs() < 0.05, "{run}");
        assert_eq!(work.record("whole", &run).lockstep, !run.starts_with("batch_norm"), "{run}");
        assert!(!work.record("alone", &run).lockstep, "{run}");
    }
}
