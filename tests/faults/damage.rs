//! Every file flipped, cut, emptied or removed in turn: named, and nothing but what it belongs to is done again.

use std::fs;
use std::path::{Path, PathBuf};

use trainability::data::{IMAGE_FILES, LABEL_FILES};

use super::harness::{Sweeping, assert_whole, command, copy, long, tell, workplace};
use super::workdir::{Workdir, assert_contains};

const RUN: &str = "runs/l2_adam/debiased/seed-0";
const OTHER: &str = "runs/crelu+wasserstein/debiased/seed-0";
/// 48 images in minibatches of 20, 40 times.
const UPDATES_OF_A_TASK: u64 = 120;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    Flip,
    Cut,
    Empty,
    Remove,
}

const HARMS: [Harm; 4] = [Harm::Flip, Harm::Cut, Harm::Empty, Harm::Remove];

fn harm(path: &Path, harm: Harm, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    match harm {
        Harm::Remove => return fs::remove_file(path).unwrap(),
        Harm::Empty => bytes.clear(),
        Harm::Cut => bytes.truncate(bytes.len() / 2),
        Harm::Flip => {
            // Between JSON values a space is as good as another.
            let place =
                (place..).find(|&place| !bytes[place % bytes.len()].is_ascii_whitespace()).unwrap() % bytes.len();
            bytes[place] ^= 1;
        }
    }
    fs::write(path, bytes).unwrap();
}

/// Places at which a file is flipped: in the middle, and in the long version all over it.
fn places(path: &Path) -> Vec<usize> {
    let length = fs::metadata(path).unwrap().len() as usize;
    let count = if long() { 12 } else { 1 };
    (1..=count).map(|index| index * length / (count + 1)).collect()
}

/// A copy of the sweep `from` as `out`, harmed in one file.
fn harmed(work: &Workdir, from: &str, file: &str, kind: Harm, place: usize) -> PathBuf {
    let _ = fs::remove_dir_all(work.path("out"));
    copy(&work.path(from), &work.path("out"));
    let path = work.path("out").join(file);
    harm(&path, kind, place);
    path
}

/// All ways to harm a file.
fn ways(path: &Path) -> Vec<(Harm, usize)> {
    let flips = places(path).into_iter().map(|place| (Harm::Flip, place));
    flips.chain(HARMS.into_iter().filter(|kind| *kind != Harm::Flip).map(|kind| (kind, 0))).collect()
}

#[test]
fn a_damaged_file_of_a_finished_run_is_named_and_that_run_alone_is_done_again() {
    let work = workplace();
    let mut tried = 0;
    for name in ["run.json", "tasks.csv", "controls.csv"] {
        let file = format!("{RUN}/{name}");
        for (kind, place) in ways(&work.path("whole").join(&file)) {
            harmed(&work, "whole", &file, kind, place);
            let harmed_bytes = fs::read(work.path("out").join(&file)).ok();
            let before = work.snapshot("out");
            work.run(&["status", "out"]).succeeded().tells(&["2 runs: 1 damaged, 1 finished", &format!("out/{file}")]);
            if place > 0 || long() {
                let said = work.run(&["report", "out", "--plots", "plots"]).succeeded();
                // Without a run.json the report cannot know that there was one; it does not count the run either way.
                let missing = name == "run.json" && kind == Harm::Remove;
                let told = if missing { "has no run.json" } else { "is left out" };
                assert_contains(&said.stdout, &[&format!("l2_adam/debiased, seed 0 {told}")]);
            }
            let said = work.sweep("out", &[]).succeeded();
            assert_contains(&said.stdout, &["1 runs finished, 1 were finished before"]);
            let again = format!("{} is done again: out/{file} is", &RUN["runs/".len()..]);
            assert_contains(&said.stderr, &[&again, "what was there is in out/replaced/l2_adam/debiased/seed-0.1"]);
            assert_whole(&work, "out");
            let after = work.snapshot("out");
            let other = before.iter().filter(|(path, _)| path.starts_with(OTHER));
            other.for_each(|(path, content)| assert_eq!(after[path], *content, "{}", path.display()));
            let kept = work.path(format!("out/replaced/l2_adam/debiased/seed-0.1/{name}"));
            assert_eq!(fs::read(kept).ok(), harmed_bytes, "what was damaged is kept as it was");
            tried += 1;
        }
    }
    tell(&format!("{tried} damaged files of a finished run: each was named, and its run alone was done again"));
}

#[test]
fn a_damaged_record_of_the_sweep_is_named_and_written_anew() {
    let work = workplace();
    let mut tried = 0;
    for (kind, place) in ways(&work.path("whole/sweep.json")) {
        harmed(&work, "whole", "sweep.json", kind, place);
        let before = work.snapshot("out/runs");
        let said = work.run(&["status", "out"]).failed();
        assert_contains(&said.stderr, &["out/sweep.json is"]);
        let said = work.sweep("out", &[]).succeeded();
        assert_contains(&said.stdout, &["0 runs finished, 2 were finished before"]);
        assert_contains(&said.stderr, &["out/sweep.json is", "it is written anew"]);
        assert_eq!(work.snapshot("out/runs"), before);
        work.run(&["status", "out"]).succeeded().tells(&["2 runs: 2 finished, 0 not begun"]);
        tried += 1;
    }
    tell(&format!("{tried} damaged sweep.json: each was named and written anew"));
}

#[test]
fn damage_to_an_interrupted_run_is_named_and_costs_no_more_than_its_time() {
    let work = workplace();
    let mut sweeping = Sweeping::start(&mut command(&work, "stopped", &["--jobs", "2", "--checkpoint-every", "0"]));
    let checkpoint = |run: &str| work.path("stopped").join(run).join("checkpoint/state.safetensors");
    // The record comes after its checkpoint: with the second of them there is one.
    let advanced = |run: &str| {
        let name = &run["runs/".len()..];
        checkpoint(run).exists() && work.path("stopped").join(run).join("run.json").exists() && {
            let record = work.record("stopped", name);
            record.updates > UPDATES_OF_A_TASK
        }
    };
    assert!(sweeping.until(|| advanced(RUN) && advanced(OTHER)), "both runs come to their second task");
    assert!(sweeping.kill(), "three tasks are left");

    let mut tried = 0;
    for name in ["run.json", "checkpoint/state.safetensors", "tasks.csv.partial", "controls.csv.partial"] {
        let file = format!("{RUN}/{name}");
        for (kind, place) in ways(&work.path("stopped").join(&file)) {
            harmed(&work, "stopped", &file, kind, place);
            let said = work.sweep("out", &["--jobs", "2"]).succeeded();
            let run = &RUN["runs/".len()..];
            let notice = match (name, kind) {
                ("run.json", _) => "the run goes on from its checkpoint".to_owned(),
                ("checkpoint/state.safetensors", Harm::Remove) => format!("{run} is done again: out/{file} is missing"),
                _ => format!("{run}: begun anew, since its checkpoint is of no use"),
            };
            assert_contains(&said.stderr, &[&notice, &format!("out/{file}")]);
            assert_whole(&work, "out");
            let resumed = [RUN, OTHER].map(|run| work.record("out", &run["runs/".len()..]).resumptions);
            assert_eq!(resumed, [u64::from(name == "run.json"), 1], "{name} {kind:?}");
            tried += 1;
        }
    }
    tell(&format!(
        "{tried} damaged files of an interrupted run: each was named, and the run ended with the same bytes"
    ));
}

#[test]
fn damaged_images_are_refused_and_the_results_stay() {
    let work = workplace();
    let before = work.snapshot("whole");
    let mut tried = 0;
    for name in [IMAGE_FILES[0], LABEL_FILES[0]] {
        let path = work.path("images").join(name);
        let bytes = fs::read(&path).unwrap();
        for (kind, place) in ways(&path) {
            harm(&path, kind, place);
            let said = work.sweep("whole", &[]).failed();
            assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
            assert!(said.stderr.starts_with("error: ") && !said.stderr.contains("panicked"), "{}", said.stderr);
            assert!(said.stderr.contains("images") || said.stderr.contains("data.checksum was"), "{}", said.stderr);
            assert_eq!(work.snapshot("whole"), before);
            fs::write(&path, &bytes).unwrap();
            tried += 1;
        }
    }
    work.sweep("whole", &[]).succeeded().tells(&["0 runs finished, 2 were finished before"]);
    assert_eq!(work.snapshot("whole"), before);
    tell(&format!("{tried} damaged image files: each was refused in a sentence, and the results stayed"));
}
