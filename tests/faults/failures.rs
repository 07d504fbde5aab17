//! Real faults inside of one run: recorded with reason, place and last finite loss, and in no other run's way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tch::{Kind, Tensor};
use trainability::run::RunPlan;
use trainability::sweep::{Listener, SweepOptions, SweepOutcome, carry_out};
use trainability_record::{RunRecord, Status};

use super::workdir::{UPDATES, Workdir, assert_contains};

const RUN: &str = "relu/constant/seed-0";
const OTHER: &str = "relu/paper/seed-0";

/// Does something inside of a run after some updates of the sweep.
struct Saboteur {
    after: u64,
    count: AtomicU64,
    act: fn(),
}

impl Listener for Saboteur {
    fn updated(&self, updates: u64) {
        if updates > 0 && self.count.fetch_add(1, Ordering::Relaxed) + 1 == self.after {
            (self.act)();
        }
    }

    fn ended(&self, _: &RunPlan, _: &RunRecord) {}
}

/// What libtorch throws when two matrices do not fit.
fn throw() {
    let _ = Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu))
        .mm(&Tensor::zeros([2, 3], (Kind::Float, tch::Device::Cpu)));
}

/// What libtorch throws when the system has no memory: more than any address space holds.
fn exhaust() {
    let _ = Tensor::zeros([1 << 46], (Kind::Double, tch::Device::Cpu));
}

fn sabotage(work: &Workdir, act: fn()) -> SweepOutcome {
    let (plan, set) = work.plan();
    let saboteur = Saboteur { after: 14, count: AtomicU64::new(0), act };
    let options = SweepOptions { out: work.path("out"), ..SweepOptions::default() };
    carry_out(&plan, &set, &options, &saboteur).unwrap()
}

#[test]
fn a_fault_in_lockstep_is_nobody_elses_fault_and_they_go_on_one_by_one() {
    let work = Workdir::new();
    let (plan, set) = work.plan();
    let saboteur = Saboteur { after: 14, count: AtomicU64::new(0), act: throw };
    let (out, checkpoint_every) = (work.path("out"), Duration::ZERO);
    let options = SweepOptions { out, in_lockstep: true, checkpoint_every, ..SweepOptions::default() };
    let outcome = carry_out(&plan, &set, &options, &saboteur).unwrap();
    assert_eq!((outcome.finished, outcome.is_complete()), (2, true), "{:?}", outcome.failed);
    work.sweep("whole", &["--engine", "lockstep"]).succeeded();
    work.assert_same_runs("out", "whole");
    assert_eq!(work.record("out", RUN).resumptions, 1, "it goes on from its checkpoint");
}

#[test]
fn a_fault_is_recorded_with_its_place_and_the_other_run_finishes() {
    for (act, reason) in [
        (throw as fn(), "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
        ((|| panic!("out of cheese\nredo from start")) as fn(), "out of cheese"),
    ] {
        let work = Workdir::new();
        let outcome = sabotage(&work, act);
        assert_eq!((outcome.finished, outcome.failed.len(), outcome.is_complete()), (1, 1, false));
        let (failed, other) = (work.record("out", RUN), work.record("out", OTHER));
        assert_eq!((failed.status, failed.fault, other.status), (Status::Failed, true, Status::Finished));
        assert_eq!((failed.tasks, failed.updates), (1, 14));
        let loss = failed.last_finite_loss.unwrap();
        assert!(loss > 0.0 && loss < 10.0, "{loss}");
        let error = failed.error.unwrap();
        assert_eq!(outcome.failed, [(RUN.to_owned(), error.clone())]);
        let place = "stopped by a fault in the program in task 2, at update 15: ";
        assert_contains(&error, &[place, reason, &format!("the last finite loss was {loss}")]);
        assert!(!error.contains('\n') && !error.contains("frame #"), "one sentence: {error}");

        // It would fail again: a plain call lists it and leaves it alone, and repeats it on request.
        let before = work.snapshot("out");
        let said = work.sweep("out", &[]).failed();
        assert_contains(&said.stdout, &["0 runs finished, 1 were finished before", reason, "--retry-failed"]);
        assert_eq!(work.snapshot("out"), before);
        work.sweep("out", &["--retry-failed"]).succeeded().tells(&["1 runs finished, 1 were finished before"]);
        assert_eq!(work.record("out", RUN).updates, UPDATES);
        work.sweep("whole", &[]).succeeded();
        assert_eq!(work.rows("out", RUN), work.rows("whole", RUN));
    }
}

#[test]
fn what_memory_was_short_for_is_tried_again_by_the_same_command() {
    let work = Workdir::new();
    let outcome = sabotage(&work, exhaust);
    assert_eq!((outcome.finished, outcome.failed.len()), (1, 1));
    let failed = work.record("out", RUN);
    assert_eq!((failed.status, failed.fault), (Status::Failed, false), "{:?}", failed.error);
    work.sweep("out", &[]).succeeded().tells(&["1 runs finished, 1 were finished before"]);
}

#[test]
fn a_run_that_leaves_the_numbers_says_where_and_with_which_last_loss() {
    let work = Workdir::new();
    work.experiment(&[("training.learning_rate", json!(1e30)), ("schedules", json!(["constant"]))]);
    let said = work.sweep("out", &[]).failed();
    let record = work.record("out", RUN);
    assert_eq!((record.status, record.fault, record.diverged_at_task), (Status::Diverged, false, Some(0)));
    let loss = record.last_finite_loss.unwrap();
    let error = record.error.unwrap();
    assert_contains(&error, &["the loss", "in task 1, at update 2", &format!("the last finite loss was {loss}")]);
    assert_contains(&said.stdout, &[&format!("not finished: {RUN}: {error}")]);
}
