//! The sweeps that `make smoke` makes: of every method, and of streams.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability::optimizer::OPTIMIZERS;
use trainability::stream::STREAMS;
use trainability_baselines::registry::PARTS;
use trainability_record::run::{Status, read_record, run_folders};
use trainability_record::tasks::read_tasks;

fn config(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name).display().to_string()
}

fn plan(name: &str) -> Plan {
    let experiment = Experiment::load(Path::new(&config(name)), &[]).unwrap();
    Plan::new(experiment, &ImageFacts::bare(5000, "none")).unwrap()
}

/// A part of one's own need not be in the sweep; one that the book's table promises is.
#[test]
fn the_smoke_sweep_has_every_documented_part() {
    let runs = plan("smoke.json").runs;
    let swept = |name: &str| runs.iter().any(|run| run.method.parts.iter().any(|(part, _)| part == name));
    let rows: Vec<&str> = include_str!("../docs/methods.md").lines().filter(|line| line.starts_with("| `")).collect();
    let documented = |name: &str| {
        let quoted = format!("`{name}`");
        rows.iter().any(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(&quoted)))
    };
    let parts: Vec<&str> = PARTS.iter().map(|part| part.name).filter(|name| documented(name)).collect();
    assert!(parts.len() >= 20, "{parts:?}");
    for part in parts {
        assert!(swept(part), "configs/smoke.json leaves out {part}");
    }
}

#[test]
fn the_smoke_sweeps_have_every_kind_and_option() {
    let runs = plan("smoke-streams.json").runs;
    // Tasks of other images have no gradual change between them. Their plan has to know the classes of the images.
    let subsets: Value = serde_json::from_str(&fs::read_to_string(config("smoke-subsets.json")).unwrap()).unwrap();
    assert!(subsets["grid"]["stream.kind"].as_array().unwrap().contains(&json!("class_incremental")));
    assert!(subsets["stream"]["sample"].is_u64());
    for entry in STREAMS.iter().filter(|entry| entry.name != "class_incremental") {
        let of_kind: Vec<_> = runs.iter().map(|run| &run.stream).filter(|stream| stream.kind == entry.name).collect();
        assert!(of_kind.iter().any(|stream| stream.transition > 0.0), "no {} with a transition", entry.name);
        assert!(of_kind.iter().any(|stream| stream.transition == 0.0), "no {} without a transition", entry.name);
        for stream in of_kind {
            assert!(stream.recurring > 0 && stream.length_spread > 0.0 && stream.announce_boundaries);
        }
    }
    for kind in OPTIMIZERS {
        let names = ["smoke.json", "smoke-optimizers.json", "smoke-more-optimizers.json"];
        let mut all = names.into_iter().flat_map(|name| plan(name).runs);
        assert!(all.any(|run| run.training.optimizer == kind.name), "no {}", kind.name);
    }
    assert!(plan("smoke-fraction.json").runs.iter().any(|run| run.stream.fraction < 1.0));
}

#[test]
fn they_train_and_report() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| {
        let mut program = assert_cmd::cargo::cargo_bin_cmd!("trainability");
        let output = program.args(arguments).current_dir(folder.path()).env("OMP_NUM_THREADS", "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    for (name, runs) in [("smoke-streams", 3 * 2 * 4), ("smoke-subsets", 2 * 3), ("smoke-fraction", 2 * 2 * 2)] {
        let out = format!("results/{name}");
        call(&["sweep", &config(&format!("{name}.json")), "--seeds", "0", "--jobs", "2", "--out", &out]);
        call(&["report", &out]);
        let folders = run_folders(&folder.path().join(&out));
        assert_eq!(folders.len(), runs);
        let mut updates = Vec::new();
        for run in folders {
            let (record, tasks) = (read_record(&run).unwrap().unwrap(), run.join("tasks.csv"));
            assert_eq!(record.status, Status::Finished);
            let columns = read_tasks(&tasks, fs::File::open(&tasks).unwrap()).unwrap();
            let tested = &columns["test_accuracy"];
            assert_eq!(tested.len(), 4);
            let has_true_labels = ["_permutation", "class_incremental"].iter().any(|kind| record.method.contains(kind));
            assert!(
                tested.iter().all(|accuracy| accuracy.is_some() == has_true_labels),
                "{}: {tested:?}",
                record.method
            );
            updates.push(columns["updates"].clone());
        }
        // Of one seed, every arm has tasks of the same lengths.
        assert!(updates.iter().all(|of_run| *of_run == updates[0]), "{updates:?}");
        let report = fs::read_to_string(folder.path().join(&out).join("report.md")).unwrap();
        assert_eq!(report.contains("images that nobody trained on"), name != "smoke-fraction");
    }
}
