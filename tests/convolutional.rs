//! Convolutional networks in the program: sweeps that are killed and called again, the smoke sweep, and what is refused.

use std::time::Duration;

use serde_json::json;

#[path = "common/workdir.rs"]
#[allow(dead_code, reason = "the other tests' functions")]
mod workdir;

use workdir::Workdir;

#[test]
fn killed_and_called_again_a_sweep_ends_with_the_same_bytes() {
    let work = Workdir::new();
    work.experiment(&[
        ("network", json!({ "kind": "convolutional", "channels": [3, 4], "hidden": [8] })),
        ("methods", json!(["crelu+wasserstein", { "name": "redo", "threshold": 0.5 }])),
        ("schedules", json!(["debiased"])),
        ("stream", json!({ "tasks": 3, "epochs": 60 })),
    ]);
    work.sweep("whole", &["--jobs", "2"]).succeeded();
    let runs = ["crelu+wasserstein/debiased/seed-0", "redo-threshold=0.5/debiased/seed-0"];
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_trainability"));
    program.args(["sweep", "tiny.json", "--out", "out", "--jobs", "1", "--checkpoint-every", "0"]);
    program.current_dir(work.path("")).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = program.spawn().unwrap();
    // In the middle of the first run, wherever that is.
    while !work.path(format!("out/runs/{}/checkpoint", runs[0])).exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!work.path(format!("out/runs/{}/run.json", runs[1])).exists(), "it was over before");
    child.kill().unwrap();
    child.wait().unwrap();
    work.sweep("out", &["--jobs", "2"]).succeeded();
    for run in runs {
        assert_eq!(work.rows("out", run), work.rows("whole", run), "{run}");
    }
}

/// What `make smoke` does, on fewer updates.
#[test]
fn the_convolutional_smoke_sweep_runs_to_its_end_on_real_images() {
    let work = Workdir::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/smoke-convolutional.json");
    let arguments = ["sweep", config, "--out", "out", "--set", "stream.epochs=2", "--set", "stream.tasks=2"];
    work.run(&arguments).succeeded();
    let runs = work.runs("out");
    for method in ["relu", "crelu-match_parameters=true", "tanh", "wasserstein+spectral", "redo", "continual"] {
        for schedule in ["constant", "paper", "debiased"] {
            let run = format!("{method}/{schedule}/seed-0");
            assert!(runs.contains(&run), "{run} is not in {runs:?}");
        }
    }
    assert!(runs.contains(&"reset/constant/seed-0".to_owned()));
    work.run(&["report", "out"]).succeeded();
}

#[test]
fn the_program_refuses_too_many_convolutions_before_it_writes_anything() {
    let work = Workdir::new();
    work.experiment(&[("network", json!({ "kind": "convolutional", "channels": [2, 2, 2, 2, 2, 2, 2, 2, 2] }))]);
    work.refuse_sweep(&[], &["network.channels", "expected at most", "convolutions"]);
}
