//! The memory that runs need is known beforehand, and stays the same over tasks and runs.

use std::fs;

use serde_json::{Value, json};
use trainability::data::ImageSet;
use trainability::sweep::memory::{check, estimate};

use super::harness::{Sweeping, command, long, tell};
use super::workdir::{Workdir, assert_contains};

/// A value of /proc/PID/status in bytes, if the process is still there.
fn memory(id: u32, key: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

#[test]
fn what_cannot_fit_is_refused_with_the_estimate_before_anything_is_written() {
    let work = Workdir::new();
    work.experiment(&[("network.hidden", json!([65536, 65536, 65536]))]);
    work.refuse_sweep(
        &["--jobs", "1"],
        &["relu/", "seed-0 needs about", "GB of memory, and", "choose a smaller network.hidden"],
    );
}

#[test]
fn fewer_jobs_are_proposed_where_fewer_fit() {
    let work = Workdir::new();
    work.experiment(&[("seeds", json!(2)), ("methods", json!(["relu", "crelu"]))]);
    let (plan, set) = work.plan();
    let runs: Vec<_> = plan.runs.iter().collect();
    let need = runs.iter().map(|run| estimate(run, &set)).fold(0.0, f64::max);
    check(&runs, &set, 3, 3.0 * need).unwrap();
    check(&runs[..2], &set, 3, 2.0 * need).unwrap();
    check(&[], &set, 3, 0.0).unwrap();
    let refused = |jobs, available| check(&runs, &set, jobs, available).unwrap_err().to_string();
    let two = refused(3, 2.5 * need);
    assert_contains(&two, &["3 runs at a time need about", "MB of memory, and", "are free: --jobs 2 fits, or choose"]);
    let none = refused(1, 0.5 * need);
    assert!(none.starts_with("crelu/constant/seed-0 needs about") && !none.contains("--jobs"), "{none}");
}

/// The most that a run adds to a process that has done a tiny one.
fn measured(work: &Workdir, changes: &[(&str, Value)]) -> f64 {
    work.experiment(changes);
    let _ = fs::remove_dir_all(work.path("out"));
    let mut sweeping = Sweeping::start(&mut command(work, "out", &["--jobs", "1"]));
    let id = sweeping.id();
    let mut most = 0.0_f64;
    sweeping.until(|| {
        most = most.max(memory(id, "VmHWM").unwrap_or(0.0));
        false
    });
    assert_eq!(sweeping.output().status.code(), Some(0));
    most
}

#[test]
fn the_estimate_is_no_less_than_what_is_used_and_not_much_more() {
    if !cfg!(target_os = "linux") {
        return tell("skipped the memory estimate: there is no /proc");
    }
    let work = Workdir::new();
    let one = |name: &str| json!([name]);
    let small = measured(&work, &[("schedules", one("constant"))]);
    let hidden = if long() { vec![[1500, 1500], [3000, 2000]] } else { vec![[1500, 1500]] };
    for (method, hidden) in ["relu", "crelu+wasserstein", "layer_norm", "batch_norm+spectral"]
        .into_iter()
        .flat_map(|m| hidden.iter().map(move |h| (m, h)))
    {
        let changes = [
            ("methods", one(method)),
            ("schedules", one("constant")),
            ("stream", json!({ "tasks": 1, "epochs": 2 })),
            ("network.hidden", json!(hidden)),
        ];
        let used = measured(&work, &changes) - small;
        let (plan, set) = work.plan();
        let expected = estimate(&plan.runs[0], &set);
        tell(&format!("{method} {hidden:?}: {:.0} MB used, {:.0} MB estimated", used / 1e6, expected / 1e6));
        assert!(expected >= used, "{method} {hidden:?}: {used} bytes used, {expected} estimated");
        assert!(expected <= 2.5 * used, "{method} {hidden:?}: {used} bytes used, {expected} estimated");
    }
}

#[test]
fn the_estimate_of_a_convolutional_network_is_no_less_than_what_is_used() {
    if !cfg!(target_os = "linux") {
        return tell("skipped the memory estimate: there is no /proc");
    }
    let work = Workdir::new();
    let count = 160;
    let images = (0..count * 32 * 32).map(|place: usize| (place * place / 7 % 256) as u8).collect();
    let labels = (0..count).map(|place| (place % 10) as u8).collect();
    let set = ImageSet { images, labels, count, rows: 32, columns: 32, ..super::workdir::image_set() };
    set.write_idx(&work.path("images")).unwrap();
    let small = measured(&work, &[("schedules", json!(["constant"])), ("network.hidden", json!([4]))]);
    for (method, precision) in [("relu", "f32"), ("crelu+spectral", "f32"), ("tanh", "f32"), ("relu", "f64")] {
        let changes = [
            ("methods", json!([method])),
            ("schedules", json!(["constant"])),
            ("stream", json!({ "tasks": 1, "epochs": 2 })),
            ("network", json!({ "kind": "convolutional", "channels": [16, 32, 64], "hidden": [64] })),
            ("training", json!({ "batch_size": 128, "learning_rate": 0.01, "precision": precision })),
            ("measure", json!({ "interval": 1, "probe_images": 128 })),
        ];
        let used = measured(&work, &changes) - small;
        let (plan, set) = work.plan();
        let expected = estimate(&plan.runs[0], &set);
        tell(&format!("{method} {precision}: {:.0} MB used, {:.0} MB estimated", used / 1e6, expected / 1e6));
        assert!(expected >= used, "{method} {precision}: {used} bytes used, {expected} estimated");
        assert!(expected <= 6.0 * used, "{method} {precision}: {used} bytes used, {expected} estimated");
    }
}

#[test]
fn memory_stays_the_same_over_tasks_and_runs() {
    if !long() || !cfg!(target_os = "linux") {
        return tell("skipped the search for leaks: it is a part of `make faults`, and needs /proc");
    }
    let work = Workdir::new();
    // Resident memory when the first and the last of these many tasks or runs are over.
    let grown = |arguments: &[&str], count: &dyn Fn() -> usize, marks: [usize; 2]| {
        let _ = fs::remove_dir_all(work.path("out"));
        let mut sweeping = Sweeping::start(&mut command(&work, "out", arguments));
        let id = sweeping.id();
        let resident = marks.map(|mark| {
            assert!(sweeping.until(|| count() >= mark), "it was over before");
            memory(id, "VmRSS").expect("it is at work")
        });
        drop(sweeping);
        resident
    };
    work.experiment(&[("schedules", json!(["debiased"])), ("stream", json!({ "tasks": 210, "epochs": 3 }))]);
    let rows = || {
        let path = work.path("out/runs/relu/debiased/seed-0/tasks.csv.partial");
        fs::read_to_string(path).map_or(0, |rows| rows.lines().count())
    };
    let tasks = grown(&["--jobs", "1"], &rows, [50, 201]);
    work.experiment(&[("schedules", json!(["debiased"])), ("stream", json!({ "tasks": 1, "epochs": 1 }))]);
    let folders = || fs::read_dir(work.path("out/runs/relu/debiased")).map_or(0, Iterator::count);
    let runs = grown(&["--jobs", "1", "--seeds", "0..510"], &folders, [100, 501]);
    for (what, [first, last]) in [("from 50 to 200 tasks", tasks), ("from 100 to 500 runs", runs)] {
        tell(&format!("resident memory {what}: {:.1} MB, then {:.1} MB", first / 1e6, last / 1e6));
        assert!(last - first < 12e6, "{what}: {first} bytes grew to {last}");
    }
}
