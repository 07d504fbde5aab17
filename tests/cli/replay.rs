//! `replay`, and sweeps at the rates that it writes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::workdir::Workdir;

/// The rates of a CSV file by update and layer, in the order of its rows.
fn rates(text: &str) -> Vec<((u64, String), f64)> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let place = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (update, layer, rate) = (place("update"), place("layer"), place("learning_rate"));
    let row =
        |row: csv::StringRecord| ((row[update].parse().unwrap(), row[layer].to_owned()), row[rate].parse().unwrap());
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn each_seed_is_given_the_geometric_mean_of_the_others_and_a_sweep_replays_it() {
    let work = Workdir::new();
    let schedules = json!(["constant", "paper", "as_run"]);
    work.experiment(&[("methods", json!(["relu", "crelu"])), ("schedules", schedules), ("seeds", json!(3))]);
    work.sweep("out", &[]).succeeded();
    let said = work.run(&["replay", "out"]).succeeded();
    let lines: Vec<&str> = said.stdout.lines().collect();
    let line = |arm: &str| format!("{arm}: 3 files in out/replay/{arm}");
    assert_eq!(lines, ["crelu/as_run", "crelu/paper", "relu/as_run", "relu/paper"].map(line));
    for arm in ["crelu/as_run", "crelu/paper", "relu/as_run", "relu/paper"] {
        let recorded = [0, 1, 2].map(|seed| rates(&work.read(format!("out/runs/{arm}/seed-{seed}/controls.csv"))));
        let by_place = recorded.each_ref().map(|rows| rows.iter().cloned().collect::<BTreeMap<_, _>>());
        for (seed, own) in recorded.iter().enumerate() {
            let found = rates(&work.read(format!("out/replay/{arm}/seed-{seed}.csv")));
            assert_eq!(found.len(), own.len());
            for ((place, found), (own_place, _)) in found.iter().zip(own) {
                assert_eq!(place, own_place);
                let others = (0..3).filter(|other| *other != seed).map(|other| by_place[other][place]);
                let expected = others.product::<f64>().sqrt();
                assert!((found / expected - 1.0).abs() < 1e-14, "{arm} {seed} {place:?}: {found}, expected {expected}");
            }
        }
        let differ = |one: usize, other: usize| by_place[one].values().ne(by_place[other].values());
        assert!(arm != "relu/paper" || (differ(0, 1) && differ(1, 2)), "equal rates would show nothing");
    }
    let replay = |flat: bool| {
        let rates = "out/replay/{method}/paper/seed-{seed}.csv";
        json!({ "label": if flat { "flat" } else { "course" }, "name": "replay", "rates": rates, "flat": flat })
    };
    work.experiment(&[
        ("methods", json!(["relu", "crelu"])),
        ("schedules", json!([replay(false), replay(true)])),
        ("seeds", json!(3)),
    ]);
    // One seed after the other, whose files differ.
    work.sweep("again", &["--seeds", "1..2"]).succeeded().tells(&["4 runs finished"]);
    work.sweep("again", &["--seeds", "0..1"]).succeeded().tells(&["4 runs finished"]);
    work.sweep("again", &[]).succeeded().tells(&["4 runs finished", "8 were finished before"]);
    let record = work.record("again", "relu/course/seed-1");
    assert!(!record.scheduled && record.events.is_empty());
    let written: BTreeMap<_, _> = rates(&work.read("out/replay/relu/paper/seed-1.csv")).into_iter().collect();
    for ((update, layer), found) in rates(&work.rows("again", "relu/course/seed-1")[1]) {
        // Beside its statistics stands the rate of its step, which the file has in its next row.
        let next = written.keys().filter(|(other, _)| *other > update).map(|(other, _)| *other).min().unwrap_or(update);
        assert_eq!(found, written[&(next, layer)]);
    }
    let flat = rates(&work.rows("again", "relu/flat/seed-1")[1]);
    assert!(flat.iter().all(|((_, layer), rate)| flat.iter().all(|((_, other), r)| layer != other || rate == r)));

    // Another file is another run.
    fs::copy(work.path("out/replay/relu/paper/seed-0.csv"), work.path("out/replay/relu/paper/seed-1.csv")).unwrap();
    work.refuse(&["sweep", "tiny.json", "--out", "again"], &["holds results of other options", "schedule.sha256"]);
    fs::remove_file(work.path("out/replay/crelu/paper/seed-2.csv")).unwrap();
    let expected = "`schedules[0].rates` is \"out/replay/crelu/paper/seed-2.csv\", expected a file that can be read";
    work.refuse(&["sweep", "tiny.json", "--out", "again"], &["tiny.json: ", expected]);
}

#[test]
fn what_has_no_mean_is_refused_or_left_out() {
    let work = Workdir::new();
    work.refuse(&["replay", "nowhere"], &["there is no folder nowhere, expected that of a sweep"]);
    work.experiment(&[("seeds", json!(2)), ("schedules", json!(["constant", "paper", "as_run"]))]);
    work.sweep("out", &["--only", "*/constant/*"]).succeeded();
    work.refuse(&["replay", "out"], &["out holds no two finished seeds"]);
    work.sweep("out", &["--only", "*/*/seed-0"]).succeeded();
    work.refuse(&["replay", "out"], &["out holds no two finished seeds"]);
    work.sweep("out", &["--only", "*/paper/*"]).succeeded();
    let said = work.run(&["replay", "out"]).succeeded();
    let expected =
        "relu/as_run: left out, since one finished seed has no others\nrelu/paper: 2 files in out/replay/relu/paper\n";
    assert_eq!(said.stdout, expected);
    assert!(!work.path("out/replay/relu/as_run").exists());
    // Of two seeds, each has the other's rates as they are.
    let own = rates(&work.read("out/runs/relu/paper/seed-0/controls.csv"));
    assert_eq!(rates(&work.read("out/replay/relu/paper/seed-1.csv")), own);
    work.run(&["replay", "out", "--schedules", "paper"]).succeeded().tells(&["relu/paper: 2 files"]);
    let expected = "--schedules names \"debiased\", expected labels of schedules that take decisions and have finished runs: \
                    as_run, paper";
    work.refuse(&["replay", "out", "--schedules", "paper,debiased"], &[expected]);
    // Tasks of other lengths are measured at other updates.
    let lengths = json!({ "tasks": 3, "epochs": 3, "length_spread": 0.6 });
    work.experiment(&[("seeds", json!(4)), ("schedules", json!(["paper"])), ("stream", lengths)]);
    work.sweep("spread", &[]).succeeded();
    work.refuse(
        &["replay", "spread"],
        &["was measured at other updates or in other layers than spread/runs/relu/paper/seed-0"],
    );
    assert!(!work.path("spread/replay").exists());
    // A file that was changed is not read.
    let path = "out/runs/relu/paper/seed-0/controls.csv";
    work.write(path, work.read(path).replace("fc1", "fc9"));
    work.refuse(&["replay", "out"], &[path, "SHA-256"]);
}
