//! SIGKILL at any moment, resumed each time: the bytes are those of a sweep that was let alone.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use trainability::schedule::SCHEDULES;
use trainability::stream::STREAMS;
use trainability_baselines::registry::PARTS;
use trainability_record::read_record;

use super::harness::{Changes, Sweeping, assert_sound, assert_whole, command, generator, long, tell, workplace};
use super::workdir::Workdir;

/// The most changes of files that a kill waits for.
const MOST_CHANGES: usize = 40;
/// Kills of one sweep, after which it is let alone.
const KILLS: usize = 10;
/// Sweeps for each kill that is wanted, many more than it takes: at least a third of the attempts wait for nothing but the
/// process itself.
const MOST_SWEEPS: usize = 20;

/// Starts the sweep and kills it at a point that nobody planned: as soon as it is started, as it goes to work, or after a
/// drawn number of changes of its files or of its checkpoints alone, whose pace is drawn as well. False if it ended before.
fn kill_somewhere(work: &Workdir, out: &str, generator: &mut ChaCha8Rng) -> bool {
    let pace = ["0", "0.05", "3600"][generator.random_range(0..3)];
    let mut sweeping = Sweeping::start(&mut command(work, out, &["--jobs", "2", "--checkpoint-every", pace]));
    let name = match generator.random_range(0..6) {
        0 => return sweeping.kill(),
        1 => {
            sweeping.at_work();
            return sweeping.kill();
        }
        2 | 3 if pace != "3600" => "state.safetensors",
        _ => "",
    };
    let mut changes = Changes::default();
    let wanted = changes.look(&work.path(out), name) + generator.random_range(1..=MOST_CHANGES);
    sweeping.until(|| changes.look(&work.path(out), name) >= wanted);
    // Nothing depends on how long this is: it only spreads the kills over what lies between two changes.
    sleep(Duration::from_micros(generator.random_range(0..3000)));
    sweeping.kill()
}

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    let work = workplace();
    let mut generator = generator(0);
    let goal = if long() { 220 } else { 10 };
    let (mut kills, mut sweeps, mut resumptions, mut with_checkpoint) = (0, 0, 0, 0);
    // However fast the machine is: enough kills, some of them with a checkpoint there and some without.
    while kills < goal || with_checkpoint == 0 || with_checkpoint == kills || resumptions == 0 {
        assert!(
            sweeps < MOST_SWEEPS * goal,
            "{kills} kills, {with_checkpoint} with a checkpoint, {resumptions} resumptions"
        );
        let out = format!("out{sweeps}");
        sweeps += 1;
        for _ in 0..KILLS {
            if !kill_somewhere(&work, &out, &mut generator) {
                break;
            }
            kills += 1;
            with_checkpoint += usize::from(assert_sound(&work, &out) > 0);
        }
        let said = work.sweep(&out, &["--jobs", "2"]).succeeded();
        assert!(!said.stderr.contains("done again") && !said.stderr.contains("begun anew"), "{}", said.stderr);
        resumptions += assert_whole(&work, &out);
        fs::remove_dir_all(work.path(&out)).unwrap();
    }
    tell(&format!(
        "survived {kills} kills of {sweeps} sweeps, {with_checkpoint} of them with a checkpoint there; runs went on from \
         one {resumptions} times"
    ));
}

/// Updates after which every part has something to remember: the second of three tasks of about 54 updates.
const GROWN: u64 = 64;

/// Every part of a method and every schedule has a memory of its own, which its checkpoint must hold.
#[test]
fn every_stream_method_and_schedule_goes_on_from_its_checkpoint_with_the_same_bytes() {
    let mut methods: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    methods.push("crelu+wasserstein");
    let rates = format!("{}/configs/smoke-rates.csv", env!("CARGO_MANIFEST_DIR"));
    let entry = |name| if name == "replay" { json!({ "name": name, "rates": rates }) } else { json!(name) };
    let schedules: Vec<Value> = SCHEDULES.iter().map(|schedule| entry(schedule.name)).collect();
    let plain = || json!({ "tasks": 3, "epochs": 18 });
    let mut cases = vec![(plain(), json!(methods), json!(["debiased"])), (plain(), json!(["relu"]), json!(schedules))];
    // Every kind with every option; their tasks have at least 42 updates.
    for entry in STREAMS {
        let mut stream = plain();
        let options = json!({ "kind": entry.name, "transition": 0.9, "length_spread": 0.2, "recurring": 2 });
        stream.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        if entry.name == "class_incremental" {
            // Tasks of other images have no gradual change between them, and fewer minibatches.
            stream["transition"] = json!(0.0);
            stream["epochs"] = json!(60);
        }
        for told in [false, true] {
            stream["announce_boundaries"] = json!(told);
            cases.push((stream.clone(), json!(["crelu", "continual_backprop"]), json!(["debiased", "cosine"])));
        }
    }
    for (stream, methods, schedules) in cases {
        let work = Workdir::new();
        work.experiment(&[("methods", methods), ("schedules", schedules), ("stream", stream.clone())]);
        work.sweep("whole", &["--jobs", "2"]).succeeded();
        let runs = work.runs("whole");
        // All runs at once, killed when each has a checkpoint from its second task; faster ones are begun anew.
        for round in 0.. {
            assert!(round < 20, "some runs always finish before the kill");
            let jobs = runs.len().to_string();
            let mut sweeping =
                Sweeping::start(&mut command(&work, "out", &["--jobs", &jobs, "--checkpoint-every", "0"]));
            let grown = |run: &String| {
                let record = read_record(&work.path(format!("out/runs/{run}"))).unwrap();
                record.is_some_and(|record| record.updates >= GROWN)
            };
            sweeping.until(|| runs.iter().all(grown));
            sweeping.kill();
            assert_sound(&work, "out");
            work.sweep("out", &["--jobs", "2"]).succeeded();
            assert_whole(&work, "out");
            let never: Vec<&String> = runs.iter().filter(|run| work.record("out", run).resumptions == 0).collect();
            if never.is_empty() {
                break;
            }
            never.iter().for_each(|run| fs::remove_dir_all(work.path(format!("out/runs/{run}"))).unwrap());
        }
        tell(&format!("{stream}: all {} pairs of method and schedule went on from a checkpoint", runs.len()));
    }
}
