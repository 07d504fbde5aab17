//! `export-run`: its files are those of a sweep's run, and what cannot be exported is refused.

use std::collections::BTreeMap;

use serde_json::json;

use super::workdir::Workdir;

const FILES: [&str; 4] = ["export.json", "initial.safetensors", "losses.csv", "stream.safetensors"];

/// The columns of a CSV file.
fn columns(text: &str) -> BTreeMap<String, Vec<f64>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in reader.records() {
        for (name, field) in names.iter().zip(&row.unwrap()) {
            columns.entry(name.clone()).or_default().push(field.parse().unwrap_or(f64::NAN));
        }
    }
    columns
}

#[test]
fn the_losses_are_those_of_the_run_that_a_sweep_trains() {
    let work = Workdir::new();
    for kind in ["random_labels", "label_permutation", "pixel_permutation"] {
        work.experiment(&[("stream", json!({ "kind": kind, "tasks": 3, "epochs": 3 })), ("seeds", json!(2))]);
        work.sweep(kind, &[]).succeeded();
        for run in ["relu/constant/seed-1", "relu/paper/seed-0"] {
            let out = format!("{kind}-{run}");
            let call = ["export-run", "tiny.json", "--run", run, "--out", &out];
            work.run(&call).succeeded().tells(&[&format!("{run}: 27 of 27 updates, 3 of 3 tasks, 0.0 MB in {out}")]);
            let record = work.record(kind, run);
            assert_eq!(work.json(format!("{out}/export.json"))["configuration_hash"], record.configuration_hash);
            let [tasks, losses] =
                [work.rows(kind, run)[0].clone(), work.read(format!("{out}/losses.csv"))].map(|text| columns(&text));
            let online = losses["accuracy"].chunks(9).map(|task| task.iter().sum::<f64>() / 9.0);
            assert_eq!(online.collect::<Vec<_>>(), tasks["online_accuracy"], "{kind} {run}");
        }
        // Fewer updates are the first of them.
        let few = ["export-run", "tiny.json", "--run", "relu/constant/seed-1", "--updates", "5"];
        work.run(&few).succeeded().tells(&["5 of 27 updates, 1 of 3 tasks"]);
        let whole = work.read(format!("{kind}-relu/constant/seed-1/losses.csv"));
        let beginning: String = whole.split_inclusive('\n').take(6).collect();
        assert_eq!(work.read("results/tiny/export/relu/constant/seed-1/losses.csv"), beginning);
    }
}

#[test]
fn an_export_is_written_again_to_the_same_bytes_and_over_nothing_else() {
    let work = Workdir::new();
    let call = ["export-run", "tiny.json", "--run", "relu/constant/seed-7", "--out", "out"];
    let bytes = || FILES.map(|name| std::fs::read(work.path(format!("out/{name}"))).unwrap());
    work.run(&call).succeeded();
    let first = bytes();
    assert_eq!(std::fs::read_dir(work.path("out")).unwrap().count(), FILES.len());
    work.run(&[&call[..], &["--set", "training.learning_rate=0.02"]].concat()).succeeded();
    assert_ne!(bytes(), first);
    work.run(&call).succeeded();
    assert_eq!(bytes(), first);
}

#[test]
fn a_run_that_is_none_or_cannot_be_followed_is_refused() {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["relu", "redo", "crelu"]))]);
    let refused = |run: &str, more: &[&str], expected: &str| {
        work.refuse(&[&["export-run", "tiny.json", "--run", run], more].concat(), &[expected]);
    };
    refused("relu", &[], "--run is \"relu\", expected the name of one run, such as relu/constant/seed-0");
    let of_seed = "expected one of the 6 runs of tiny.json with this seed, such as relu/constant/seed-3";
    refused("relv/constant/seed-3", &[], of_seed);
    refused("redo/constant/seed-0", &[], "`redo` acts on the network or passes through it");
    let run = "relu/constant/seed-0";
    refused(run, &["--updates", "28"], "--updates is 28, expected from 1 to 27");
    refused(run, &["--set", "stream.transition=0.5"], "`stream.transition` is 0.5");
    refused(
        run,
        &["--out", "images"],
        "is in the folder for the export, expected an empty folder or one of an earlier",
    );
}
