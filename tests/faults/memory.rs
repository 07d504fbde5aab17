//! The memory that a sweep needs is told beforehand, and stays the same over tasks and runs.

use std::fs;

use super::harness::{Sweeping, command, long, tell};
use super::workdir::Workdir;
use serde_json::{Value, json};
use trainability::data::ImageSet;

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
        &["relu/", "seed-0 needs at least", "GB of memory, and", "choose a smaller network.hidden"],
    );
}

/// The most memory that `--dry-run` says of an experiment's sweep, and that it then has.
fn told_and_used(work: &Workdir, changes: &[(&str, Value)]) -> [f64; 2] {
    work.experiment(changes);
    let said = work.sweep("out", &["--jobs", "1", "--dry-run"]).succeeded().stdout;
    let words: Vec<&str> = said.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "memory").unwrap_or_else(|| panic!("{said}"));
    let unit = match words[place + 2].trim_end_matches(',') {
        "MB" => 1e6,
        "GB" => 1e9,
        other => panic!("{other}"),
    };
    let _ = fs::remove_dir_all(work.path("out"));
    let mut sweeping = Sweeping::start(&mut command(work, "out", &["--jobs", "1"]));
    let id = sweeping.id();
    let mut most = 0.0_f64;
    sweeping.until(|| {
        most = most.max(memory(id, "VmHWM").unwrap_or(0.0));
        false
    });
    assert_eq!(sweeping.output().status.code(), Some(0));
    [words[place + 1].parse::<f64>().unwrap() * unit, most]
}

fn assert_near(name: &str, [told, used]: [f64; 2]) {
    tell(&format!("{name}: {:.0} MB told, {:.0} MB used", told / 1e6, used / 1e6));
    assert!((0.75..1.35).contains(&(told / used)), "{name}: {told} bytes told, {used} used");
}

#[test]
fn what_is_told_is_near_what_is_used() {
    if !cfg!(target_os = "linux") {
        return tell("skipped the memory estimate: there is no /proc");
    }
    let work = Workdir::new();
    let hidden = if long() { vec![[1500, 1500], [3000, 2000]] } else { vec![[1500, 1500]] };
    for (method, hidden) in ["relu", "crelu+wasserstein", "layer_norm", "batch_norm+spectral"]
        .into_iter()
        .flat_map(|m| hidden.iter().map(move |h| (m, h)))
    {
        let changes = [
            ("methods", json!([method])),
            ("schedules", json!(["constant"])),
            ("stream", json!({ "tasks": 2, "epochs": 3 })),
            ("network.hidden", json!(hidden)),
        ];
        assert_near(&format!("{method} {hidden:?}"), told_and_used(&work, &changes));
    }
}

#[test]
fn what_is_told_of_a_convolutional_network_is_near_what_is_used() {
    if !cfg!(target_os = "linux") {
        return tell("skipped the memory estimate: there is no /proc");
    }
    let work = Workdir::new();
    let count = 160;
    let images = (0..count * 32 * 32).map(|place: usize| (place * place / 7 % 256) as u8).collect();
    let labels = (0..count).map(|place| (place % 10) as u8).collect();
    let set = ImageSet { images, labels, count, rows: 32, columns: 32, ..super::workdir::image_set() };
    set.write_idx(&work.path("images")).unwrap();
    for (method, precision) in [("relu", "f32"), ("crelu+spectral", "f32"), ("tanh", "f32"), ("relu", "f64")] {
        let changes = [
            ("methods", json!([method])),
            ("schedules", json!(["constant"])),
            ("stream", json!({ "tasks": 2, "epochs": 3 })),
            ("network", json!({ "kind": "convolutional", "channels": [16, 32, 64], "hidden": [64] })),
            ("training", json!({ "batch_size": 128, "learning_rate": 0.01, "precision": precision })),
            ("measure", json!({ "interval": 1, "probe_images": 128 })),
        ];
        assert_near(&format!("{method} {precision}"), told_and_used(&work, &changes));
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
