//! Sweeps handed to a real Slurm, which `scripts/slurm.py` starts and stops: `make test-slurm`. Elsewhere they are skipped.

#[allow(dead_code, reason = "shared with tests/cli, which uses all of it")]
#[path = "common/workdir.rs"]
mod workdir;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use workdir::{Workdir, assert_contains};

/// Whether there is a Slurm to be used.
fn is_there() -> bool {
    let is_there = std::env::var_os("SLURM_FOLDER").is_some();
    if !is_there {
        println!("skipped: there is no Slurm (make test-slurm)");
    }
    is_there
}

fn submit(work: &Workdir, arguments: &[&str]) -> Jobs {
    let said = work.sweep("out", &[&["--engine", "slurm", "--mem", "1G"], arguments].concat()).succeeded();
    let number = |before: &str| {
        let rest = said.stdout.split(before).nth(1).unwrap_or_else(|| panic!("{}", said.stdout));
        rest.split(' ').next().unwrap().to_owned()
    };
    Jobs { array: number("job "), report: number("and job ") }
}

/// The numbers of the two jobs of a sweep.
struct Jobs {
    array: String,
    report: String,
}

fn slurm(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Slurm puts what it puts back off for two minutes, which is too long for a test. Before its first turn is quite over the second
/// would be ended with it: it is COMPLETING until its processes have gone, then pending while the daemon of that turn still has to
/// tell how it ended, and what begins in the same second as that end has its credential revoked.
fn no_delay(job: &str) {
    wait_for("place in the queue", || states(job) == ["PENDING"]);
    let number = slurm("squeue", &["--noheader", "--format=%A", "--jobs", job]);
    let daemon = format!(r"slurmstepd: \[{}[.\]]", number.trim());
    wait_for("end of the first turn", || slurm("pgrep", &["--full", &daemon]).is_empty());
    slurm("scontrol", &["update", &format!("JobId={job}"), "StartTime=now+3"]);
}

/// The state of each task of a job, in no order.
fn states(job: &str) -> Vec<String> {
    let said = slurm("squeue", &["--noheader", "--array", "--states=all", "--format=%T", "--jobs", job]);
    said.lines().map(|line| line.trim().to_owned()).collect()
}

fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(240),
            "no {what}\n{}",
            slurm("squeue", &["--array", "--states=all"])
        );
        sleep(Duration::from_millis(100));
    }
}

fn wait_for_all(jobs: &Jobs) {
    let over = |state: &String| ["COMPLETED", "FAILED", "CANCELLED"].contains(&state.as_str());
    wait_for("end of all", || [&jobs.array, &jobs.report].iter().all(|job| states(job).iter().all(over)));
}

/// Files below a folder in which others are at work.
fn files(work: &Workdir, folder: &str, suffix: &str) -> Vec<String> {
    let found = slurm("find", &[&work.path(folder).display().to_string(), "-name", &format!("*{suffix}")]);
    found.lines().map(str::to_owned).collect()
}

/// Waits until a shard has done some of its work.
fn wait_for_rows(work: &Workdir) {
    let has_rows = |file: &String| std::fs::metadata(file).is_ok_and(|file| file.len() > 1000);
    wait_for("row", || files(work, "out/runs", "controls.csv.partial").iter().any(has_rows));
}

fn assert_same_as_one_process(work: &Workdir) {
    for log in files(work, "out/slurm", ".log") {
        println!("{log}\n{}", work.read(&log));
    }
    work.assert_same_runs("out", "whole");
}

#[test]
fn eight_shards_are_the_local_sweep_and_the_report_waits_for_them() {
    if !is_there() {
        return;
    }
    let work = Workdir::of_twelve_runs(10);
    let shown = work
        .sweep(
            "out",
            &["--engine", "slurm", "--shards", "8", "--array-limit", "3", "--log", "tensorboard", "--dry-run"],
        )
        .succeeded();
    assert_contains(
        &shown.stdout,
        &["--log=tensorboard", "12 runs, ", "#SBATCH --array=1-8%3", "#SBATCH --signal=B:USR1@120", "report "],
    );
    assert!(!work.path("out").exists(), "nothing is written");

    let jobs = submit(&work, &["--shards", "8", "--array-limit", "3"]);
    let again = work.sweep("out", &["--engine", "slurm", "--shards", "8"]);
    again.failed_with(&[&format!("Slurm job {}: ", jobs.array), "wait for it, or end it with scancel"]);
    assert_contains(&work.run(&["status", "out"]).stdout, &[&format!("Slurm job {}: ", jobs.array), " of 8 shards"]);
    wait_for_all(&jobs);
    assert_same_as_one_process(&work);
    assert_eq!(states(&jobs.array), ["COMPLETED"; 8]);
    assert!(work.read("out/report.md").contains("12"), "written when all were there");
    assert!(work.path("out/summary.csv").exists());
    work.run(&["status", "out"]).succeeded().tells(&["12 runs: 12 finished, 0 not begun", "8 completed of 8 shards"]);
    let said = work.sweep("out", &["--engine", "slurm"]).succeeded();
    assert_contains(&said.stdout, &["nothing is left to be handed over"]);
}

#[test]
fn a_shard_whose_time_is_up_or_that_is_put_back_goes_on() {
    if !is_there() {
        return;
    }
    let work = Workdir::of_twelve_runs(120);
    let jobs = submit(&work, &["--shards", "2"]);
    wait_for_rows(&work);
    slurm("scancel", &["--signal=USR1", "--batch", &format!("{}_1", jobs.array)]);
    let log = || std::fs::read_to_string(work.path("out/slurm/shard-1.log")).unwrap_or_default();
    wait_for("checkpoint", || log().contains("the same command goes on from there"));
    no_delay(&format!("{}_1", jobs.array));
    wait_for("second turn", || log().matches(" runs, ").count() > 1);
    let second = format!("{}_2", jobs.array);
    slurm("scontrol", &["requeue", &second]);
    no_delay(&second);
    wait_for_all(&jobs);
    assert_same_as_one_process(&work);
    assert_eq!(states(&jobs.array), ["COMPLETED"; 2]);
}

#[test]
fn shards_that_make_room_for_a_more_urgent_job_go_on_after_it() {
    if !is_there() {
        return;
    }
    let work = Workdir::of_twelve_runs(120);
    let jobs = submit(&work, &["--shards", "2"]);
    wait_for_rows(&work);
    let log =
        |shard: usize| std::fs::read_to_string(work.path(format!("out/slurm/shard-{shard}.log"))).unwrap_or_default();
    wait_for("second shard", || log(2).contains(" updates"));
    let urgent = ["--partition=urgent", "--exclusive", "--parsable", "--output=/dev/null", "--wrap=sleep 1"];
    let urgent = slurm("sbatch", &urgent).trim().to_owned();
    wait_for("end of the urgent job", || states(&urgent) == ["COMPLETED"]);
    for shard in 1..=2 {
        assert_contains(&log(shard), &["PREEMPTION"]);
        no_delay(&format!("{}_{shard}", jobs.array));
    }
    wait_for_all(&jobs);
    assert_same_as_one_process(&work);
    assert_eq!(states(&jobs.array), ["COMPLETED"; 2]);
    let resumed = work.runs("out").iter().filter(|run| work.record("out", run).resumptions > 0).count();
    assert!(resumed > 0, "a checkpoint was written when room was asked for");
}

#[test]
fn a_run_that_fails_fails_its_own_shard_and_is_done_again_alone() {
    if !is_there() {
        return;
    }
    let work = Workdir::new();
    let schedules = json!(["constant", { "name": "constant", "learning_rate": 1e30 }]);
    work.experiment(&[("methods", json!(["relu"])), ("schedules", schedules), ("seeds", json!(2))]);
    let jobs = submit(&work, &["--shards", "4"]);
    wait_for_all(&jobs);
    let mut found = states(&jobs.array);
    found.sort();
    assert_eq!(found, ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]);
    assert!(work.path("out/report.md").exists(), "it waits for all, not for their success");
    work.run(&["status", "out"])
        .succeeded()
        .tells(&["4 runs: 2 diverged, 2 finished, 0 not begun", "2 completed, 2 failed"]);
    let said = work.sweep("out", &["--engine", "slurm", "--shards", "4"]).succeeded();
    assert_contains(&said.stdout, &["nothing is left to be handed over"]);
    let again = work.sweep("out", &["--engine", "slurm", "--shards", "4", "--retry-failed", "--dry-run"]).succeeded();
    let array = again.stdout.lines().find_map(|line| line.strip_prefix("#SBATCH --array=")).unwrap();
    let shards: Vec<&str> = array.split([',', '-']).collect();
    assert_eq!(shards.len(), 2, "{array}");
    let jobs = submit(&work, &["--shards", "4", "--retry-failed"]);
    assert_eq!(states(&jobs.array).len(), 2);
    wait_for_all(&jobs);
    assert_eq!(work.snapshot("out/replaced").keys().filter(|path| path.ends_with("run.json")).count(), 2);
}

#[test]
fn a_node_that_dies_in_the_midst_of_it_loses_nothing() {
    if !is_there() {
        return;
    }
    let work = Workdir::of_twelve_runs(120);
    let jobs = submit(&work, &["--shards", "3"]);
    wait_for_rows(&work);
    let node = |what: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/slurm.py");
        assert!(Command::new("python3").args([script, "--node", what]).status().unwrap().success());
    };
    node("kill");
    let out = work.path("out").display().to_string();
    for pattern in [format!("slurmstepd: .*{}", jobs.array), "slurmstepd".to_owned(), out] {
        slurm("pkill", &["-KILL", "-f", &pattern]);
    }
    node("start");
    (1..=3).for_each(|shard| no_delay(&format!("{}_{shard}", jobs.array)));
    wait_for("second turn", || {
        let log = |shard: usize| {
            std::fs::read_to_string(work.path(format!("out/slurm/shard-{shard}.log"))).unwrap_or_default()
        };
        (1..=3).any(|shard| log(shard).matches(" runs, ").count() > 1)
    });
    wait_for_all(&jobs);
    assert_same_as_one_process(&work);
}
