//! What a sweep leaves behind does not depend on how it was carried out.

use std::fs;

use serde_json::json;
use trainability::run::{Run, checkpoint, columns};
use trainability_record::{Recorder, Status};
use trainability_tensor::State;

use super::workdir::{MEASURED, Snapshot, UPDATES, Workdir, assert_contains};

/// Columns of `tasks.csv` that training alone decides.
const TRAINED: [&str; 5] = ["task", "updates", "online_accuracy", "final_accuracy", "final_loss"];

fn fields(text: &str, wanted: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let places: Vec<usize> =
        wanted.iter().map(|name| header.iter().position(|other| other == *name).unwrap()).collect();
    reader
        .records()
        .map(|record| record.unwrap())
        .map(|record| places.iter().map(|&place| record[place].to_owned()).collect())
        .collect()
}

#[test]
fn every_run_writes_the_same_bytes_at_one_job_and_at_two() {
    let work = Workdir::new();
    let methods = json!(["relu", "crelu", "l2_adam", "l2_loss", "adamw", "spectral", "crelu+wasserstein", "reset"]);
    let schedules = json!(["constant", "linear", "paper", "debiased", { "name": "paper", "scope": "network" }]);
    work.experiment(&[("methods", methods), ("schedules", schedules), ("seeds", json!(2))]);
    work.sweep("one", &["--jobs", "1"]).succeeded().tells(&["72 runs finished"]);
    work.sweep("two", &["--jobs", "2"]).succeeded();
    let runs = work.runs("one");
    assert_eq!(runs.len(), 2 * (7 * 5 + 1));
    assert_eq!(work.runs("two"), runs);
    for run in runs {
        let rows = work.rows("one", &run);
        assert_eq!(rows[0].lines().count(), 1 + 3, "{run}");
        assert_eq!(rows[1].lines().count(), 1 + 3 * MEASURED as usize, "{run}");
        assert_eq!(work.rows("two", &run), rows, "{run}");
        let [one, two] = ["one", "two"].map(|out| work.record(out, &run));
        assert_eq!((one.configuration_hash, one.checksums), (two.configuration_hash, two.checksums));
    }
}

#[test]
fn a_second_call_skips_what_is_finished_and_touches_nothing() {
    let work = Workdir::new();
    work.sweep("out", &[]).succeeded().tells(&["2 runs finished, 0 were finished before"]);
    let before = work.snapshot("out");
    work.sweep("out", &["--jobs", "2"]).succeeded().tells(&["0 runs finished, 2 were finished before"]);
    assert_eq!(work.snapshot("out"), before);

    let lost = work.rows("out", "relu/paper/seed-0");
    fs::remove_dir_all(work.path("out/runs/relu/paper")).unwrap();
    work.sweep("out", &[]).succeeded().tells(&["1 runs finished, 1 were finished before"]);
    assert_eq!(work.rows("out", "relu/paper/seed-0"), lost);
    let after = work.snapshot("out");
    let kept = |name: &&std::path::PathBuf| name.starts_with("runs/relu/constant");
    assert_eq!(before.keys().filter(kept).count(), 5);
    assert!(before.keys().filter(kept).all(|name| after[name] == before[name]));
}

#[test]
fn measuring_every_few_updates_or_never_leaves_the_accuracies_as_they_are() {
    let work = Workdir::new();
    work.experiment(&[("methods", json!(["relu", "crelu+wasserstein", "reset"])), ("schedules", json!(["constant"]))]);
    let trained = |out: &str, interval: &str| -> Vec<Vec<Vec<String>>> {
        work.sweep(out, &["--set", &format!("measure.interval={interval}")]).succeeded();
        work.runs(out).iter().map(|run| fields(&work.rows(out, run)[0], &TRAINED)).collect()
    };
    let never = trained("never", "0");
    assert_eq!((never.len(), never[0].len()), (3, 3));
    let undefined = fields(&work.rows("never", "relu/constant/seed-0")[0], &["rho", "noise_bound"]);
    assert!(undefined.iter().flatten().all(String::is_empty), "what was not measured is an empty field: {undefined:?}");
    assert_eq!(trained("each", "1"), never);
    assert_eq!(trained("tenth", "10"), never);
    assert_eq!(work.rows("never", "relu/constant/seed-0")[1].lines().count(), 1, "a header alone");
    assert_eq!(work.rows("tenth", "relu/constant/seed-0")[1].lines().count(), 1 + 3 * 2);
    work.run(&["report", "never", "--plots", "plots"]).succeeded();
}

/// Leaves in `out` what a sweep leaves that was killed at update `stop` of a run, with a checkpoint if it is wanted.
fn interrupt(work: &Workdir, out: &str, name: &str, stop: usize, with_checkpoint: bool) {
    let (plan, set) = work.plan();
    let planned = plan.runs.iter().find(|run| run.name() == name).unwrap();
    let folder = work.path(format!("{out}/runs/{name}"));
    let mut record = work.record("whole", name);
    record.status = Status::Running;
    record.write(&folder).unwrap();
    let (mut run, mut recorder) = (Run::new(planned, &set).unwrap(), Recorder::create(&folder, &columns()).unwrap());
    for _ in 0..stop {
        let advance = run.advance().unwrap();
        recorder.add_controls(&advance.controls).unwrap();
        advance.task.iter().for_each(|row| recorder.add_task(row).unwrap());
    }
    recorder.flush().unwrap();
    if with_checkpoint {
        let mut state = State::default();
        state.put_part("run", &run);
        state.put_value("configuration_hash", &planned.hash);
        state.put_value("recorder", &recorder.written());
        state.put_value("seconds", &json!({ "total": 1000.0 }));
        state.put_value("resumptions", &0u64);
        fs::create_dir(folder.join("checkpoint")).unwrap();
        checkpoint::write(&folder.join("checkpoint/state.safetensors"), &state).unwrap();
    }
    for name in ["tasks.csv.partial", "controls.csv.partial"] {
        let rows = fs::read_to_string(folder.join(name)).unwrap();
        fs::write(folder.join(name), rows + "0,1,fc1,half a").unwrap();
    }
}

#[test]
fn an_interrupted_run_goes_on_from_its_checkpoint_or_starts_again_and_ends_with_the_same_bytes() {
    let work = Workdir::new();
    work.sweep("whole", &[]).succeeded();
    let name = "relu/paper/seed-0";
    for out in ["kept", "none", "damaged"] {
        interrupt(&work, out, name, 14, out != "none");
        let path = format!("{out}/runs/{name}/checkpoint/state.safetensors");
        if out == "damaged" {
            let bytes = fs::read(work.path(&path)).unwrap();
            work.write(&path, &bytes[..bytes.len() / 2]);
        }
        let said = work.sweep(out, &["--jobs", "1"]).succeeded().tells(&["2 runs finished, 0 were finished before"]);
        assert_eq!(said.stderr.contains("begun anew"), out == "damaged", "{}", said.stderr);
        assert_eq!(work.rows(out, name), work.rows("whole", name), "{out}");
        let (resumed, whole) = (work.record(out, name), work.record("whole", name));
        assert_eq!((resumed.status, resumed.updates, &resumed.events), (Status::Finished, UPDATES, &whole.events));
        assert_eq!(resumed.checksums, whole.checksums);
        assert_eq!(resumed.seconds["total"] > 1000.0, out == "kept", "it goes on from the checkpoint's seconds");
        let names = |snapshot: Snapshot| snapshot.into_keys().collect::<Vec<_>>();
        let left = names(work.snapshot(&format!("{out}/runs")));
        assert_eq!(left, names(work.snapshot("whole/runs")), "nothing is left over");
    }
}

#[test]
fn event_files_of_new_interrupted_and_earlier_runs_hold_the_same_scalars() {
    let work = Workdir::new();
    work.sweep("whole", &[]).succeeded();
    assert!(!work.path("whole/tensorboard").exists());
    let name = "relu/paper/seed-0";
    interrupt(&work, "out", name, 14, true);
    work.sweep("out", &["--log", "tensorboard"]).succeeded().tells(&["2 runs finished"]);
    let before = work.snapshot("whole/runs");
    work.sweep("whole", &["--log", "tensorboard"]).succeeded().tells(&["0 runs finished, 2 were finished before"]);
    assert_eq!(work.snapshot("whole/runs"), before);
    work.assert_same_runs("out", "whole");
    for run in work.runs("whole") {
        let [out, whole] = ["out", "whole"].map(|sweep| {
            let file = format!("{sweep}/tensorboard/{run}/events.out.tfevents.0000000000");
            fs::read(work.path(&file)).unwrap()
        });
        let counted = |bytes: &[u8], tag: &str| bytes.windows(tag.len()).filter(|text| *text == tag.as_bytes()).count();
        let measured = work.rows("whole", &run)[1].matches(",fc1,").count();
        for (tag, rows) in [("tasks/online_accuracy", 3), ("fc1/learning_rate", measured)] {
            assert_eq!([counted(&out, tag), counted(&whole, tag)], [rows, rows], "{run} {tag}");
        }
        assert_eq!(out.len(), whole.len(), "{run}");
    }
}

#[test]
fn a_run_that_has_not_finished_can_be_looked_at_and_is_left_as_it_is() {
    let work = Workdir::new();
    work.sweep("whole", &[]).succeeded();
    interrupt(&work, "out", "relu/paper/seed-0", 14, true);
    work.write("out/sweep.json", work.read("whole/sweep.json"));
    let before = work.snapshot("out");
    let tasks = work.read("whole/runs/relu/paper/seed-0/tasks.csv");
    let accuracy: f64 = tasks.lines().nth(1).unwrap().split(',').nth(2).unwrap().parse().unwrap();
    let last = format!("relu/paper/seed-0 (interrupted): 1 of 3 tasks done, accuracy of the last {accuracy:.3}");
    work.run(&["status", "out"]).succeeded().tells(&["2 runs: 1 interrupted, 1 not begun; nobody is at work", &last]);
    assert_eq!(work.snapshot("out"), before);
    let said = work.run(&["report", "out", "--plots", "plots", "--against", "paper"]).succeeded();
    let row = format!("relu paper 0 1 of 3 {accuracy:.3}");
    assert_contains(
        &said.stdout,
        &["No run has finished yet", "Unfinished runs", &row, "No arm of these is among the runs."],
    );
    assert!(work.path("plots/online_accuracy.png").is_file() && work.path("out/against.csv").is_file());
    assert!(!work.path("out/summary.csv").exists());
    let mut after = work.snapshot("out");
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before, "what the run will go on from is untouched");

    // Beside a run that has finished it is no more than a line.
    work.sweep("out", &["--only", "relu/constant/*"]).succeeded();
    let said = work.run(&["report", "out", "--plots", "plots"]).succeeded();
    assert_contains(&said.stdout, &["Verdicts on the paper", "Unfinished runs", &row]);
    assert_eq!(work.read("out/summary.csv").lines().count(), 1 + 1);
    work.sweep("out", &[]).succeeded();
    assert_eq!(work.rows("out", "relu/paper/seed-0"), work.rows("whole", "relu/paper/seed-0"));
}
