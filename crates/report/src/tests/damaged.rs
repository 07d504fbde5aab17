//! The readers of a sweep's files under the fuzzer's seeds, whole and damaged.

use std::path::{Path, PathBuf};

use trainability_record::RunRecord;
use trainability_record::controls::read_rows;
use trainability_record::tasks::read_tasks;

use crate::evidence::against::paper::Paper;
use crate::readers::{CONTROLS, TARGETS, TASKS};

#[allow(dead_code, unreachable_pub, reason = "shared with the tests of the trainer")]
#[path = "../../../../tests/readers/damage.rs"]
pub(super) mod damage;

use damage::{damaged_files, seeds};

/// The folder with a folder for each target.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

fn damaged(target: &str) {
    let (name, check) = *TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    // Each computes a whole report.
    damaged_files(seeds(&folder(), name), 400, check);
}

#[test]
fn tasks() {
    damaged("tasks");
}

#[test]
fn controls() {
    damaged("controls");
}

#[test]
fn run_record() {
    damaged("run_record");
}

#[test]
fn paper() {
    damaged("paper");
}

#[test]
fn every_seed_is_read_or_refused() {
    for (target, check) in TARGETS {
        let seeds = seeds(&folder(), target);
        assert!(seeds.iter().any(|(name, _)| name.starts_with("whole")), "{target} has no whole file");
        for (name, bytes) in seeds {
            println!("{target}/{name}");
            check(&bytes);
        }
    }
}

#[test]
fn whole_seeds_are_accepted() {
    let path = Path::new("seed");
    for (target, _) in TARGETS {
        for (name, bytes) in seeds(&folder(), target).into_iter().filter(|(name, _)| name.starts_with("whole")) {
            let accepted = match target {
                "tasks" => read_tasks(path, &bytes[..]).is_ok(),
                "controls" => read_rows(path, &bytes[..]).is_ok(),
                "paper" => Paper::parse("seed", &bytes).is_ok(),
                _ => name.contains("sweep") || serde_json::from_slice::<RunRecord>(&bytes).is_ok(),
            };
            assert!(accepted, "{target}/{name}");
        }
    }
}

/// Writes the whole files anew: `cargo test -p trainability-report write_the_seeds -- --ignored`.
#[test]
#[ignore = "writes into the sources"]
fn write_the_seeds() {
    std::fs::write(folder().join("tasks/whole"), TASKS).unwrap();
    std::fs::write(folder().join("controls/whole"), CONTROLS).unwrap();
}
