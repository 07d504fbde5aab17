//! Runs that diverge or fail: recorded, named, and in nobody's way.

use std::fs;

use serde_json::json;
use trainability_record::{RunRecord, Status};

use super::workdir::{Workdir, assert_contains};

const GOOD: &str = "relu@learning_rate=0.01/constant/seed-0";
const BAD: &str = "relu@learning_rate=1e+30/constant/seed-0";

/// An experiment of which the first run diverges.
fn diverging() -> Workdir {
    let work = Workdir::new();
    let grid = json!({ "training.learning_rate": [1e30, 0.01] });
    work.experiment(&[("grid", grid), ("schedules", json!(["constant"]))]);
    work
}

#[test]
fn a_run_that_diverges_is_recorded_with_its_task_and_stops_no_other() {
    let work = diverging();
    let said = work.sweep("out", &["--jobs", "1"]).failed();
    assert_contains(
        &said.stdout,
        &["1 runs finished", &format!("not finished: {BAD}: the loss is"), "in task 1, at update 2"],
    );
    assert_contains(&said.stderr, &[&format!("{BAD} diverged"), &format!("{GOOD} finished")]);
    let (good, bad) = (work.record("out", GOOD), work.record("out", BAD));
    assert_eq!((good.status, bad.status, bad.diverged_at_task), (Status::Finished, Status::Diverged, Some(0)));
    assert_contains(bad.error.as_deref().unwrap(), &["the loss is", "in task 1, at update 2", "last finite loss"]);

    work.run(&["status", "out"]).succeeded().tells(&["1 diverged, 1 finished, 0 not begun", BAD]);
    work.run(&["report", "out", "--plots", "plots"]).succeeded().tells(&["diverged in task 1"]);
    assert_contains(&work.read("out/report.md"), &["diverged in task 1"]);

    // It would diverge again: what is over is over.
    let over = work.snapshot("out");
    let hint = "1 of these would end the same way again: --retry-failed does them all the same";
    work.sweep("out", &[]).failed().tells(&["0 runs finished, 1 were finished before", BAD, hint]);
    assert_eq!(work.snapshot("out"), over);

    // Unless it is asked for: then it is begun anew, and the first attempt is kept.
    let said = work.sweep("out", &["--retry-failed"]).failed().tells(&["0 runs finished, 1 were finished before", BAD]);
    assert_contains(&said.stderr, &[&format!("{BAD} is done again: the loss is"), &format!("out/replaced/{BAD}.1")]);
    let after = work.snapshot("out");
    let kept = format!("runs/{GOOD}");
    for (name, content) in over.iter().filter(|(name, _)| name.starts_with(&kept)) {
        assert_eq!(after[name], *content, "{}", name.display());
    }
    assert_eq!(work.record("out", BAD), {
        let seconds = work.record("out", BAD).seconds;
        RunRecord { seconds, ..bad }
    });
    assert_eq!(work.read(format!("out/replaced/{BAD}.1/tasks.csv")), work.rows("out", BAD)[0]);
}

#[test]
fn nothing_but_what_failed_is_done_again_on_request() {
    let work = diverging();
    work.sweep("out", &["--only", "*1e+30*/**"]).failed();
    let said = work.sweep("out", &["--retry-failed", "--jobs", "1"]).failed();
    assert_contains(&said.stdout, &["0 runs finished, 0 were finished before", BAD]);
    assert_eq!(work.runs("out"), [BAD], "what was not begun is not begun by this");
    work.sweep("fresh", &["--retry-failed"]).succeeded().tells(&["0 runs finished, 0 were finished before"]);
    work.sweep("out", &[]).failed().tells(&["1 runs finished, 0 were finished before", BAD]);
}

#[test]
fn fail_fast_starts_no_further_run() {
    let work = diverging();
    let said = work.sweep("out", &["--jobs", "1", "--fail-fast"]).failed();
    assert_contains(&said.stdout, &["0 runs finished", BAD, "1 runs were not started"]);
    assert_eq!(work.runs("out"), [BAD]);
}

#[test]
fn a_report_of_nothing_but_diverged_runs_says_so() {
    let work = diverging();
    work.sweep("out", &["--only", "*1e+30*/**"]).failed();
    let before = work.snapshot("");
    let said = work.run(&["report", "out", "--plots", "plots"]).failed();
    assert_eq!(said.stderr, "error: none of the 1 runs in out has finished, so there is nothing to report\n");
    assert_contains(&said.stdout, &["diverged in task 1"]);
    assert_eq!(work.snapshot(""), before);
}

#[test]
fn a_run_whose_files_cannot_be_written_fails_alone() {
    let work = Workdir::new();
    fs::create_dir_all(work.path("out/runs/relu/constant/seed-0/tasks.csv.partial")).unwrap();
    let said = work.sweep("out", &["--jobs", "1"]).failed();
    let reason = "relu/constant/seed-0: cannot write to out/runs/relu/constant/seed-0: ";
    assert_contains(&said.stdout, &["1 runs finished", &format!("not finished: {reason}")]);
    let record = work.record("out", "relu/constant/seed-0");
    assert_eq!((record.status, record.tasks), (Status::Failed, 0));
    assert_contains(&record.error.unwrap(), &["cannot write to out/runs/relu/constant/seed-0"]);
    assert_eq!(work.record("out", "relu/paper/seed-0").status, Status::Finished);

    fs::remove_dir(work.path("out/runs/relu/constant/seed-0/tasks.csv.partial")).unwrap();
    work.sweep("out", &[]).succeeded().tells(&["1 runs finished, 1 were finished before"]);
}
