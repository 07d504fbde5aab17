//! What must hold for whatever bytes a reader is given, one function a reader; those of the report have theirs beside them.
//! The tests call them with made-up bytes and with the files in `fuzz/seeds`, the targets in `fuzz/fuzz_targets` with what
//! the fuzzer finds.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use trainability::data::{Idx, ImageSet, ImageShape};
use trainability::experiment::{Experiment, ImageFacts, Plan};
use trainability::run::{Run, checkpoint};
use trainability_record::{LayerEvents, RunRecord, Status};
use trainability_tensor::State;

/// A target: its name, which is that of its folder of seeds, and the function.
pub(crate) type FuzzTarget = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [FuzzTarget; 4] =
    [("idx", idx), ("cifar", cifar), ("checkpoint", checkpoint), ("configuration", configuration)];

/// An image or label file, plain or gzipped.
pub(crate) fn idx(bytes: &[u8]) {
    for dimensions in [1, 3] {
        let Ok(idx) = Idx::read(bytes, dimensions) else { continue };
        assert_eq!(idx.values.len(), idx.dimensions.iter().map(|size| *size as usize).product::<usize>());
        assert_eq!(Idx::read(&idx.encode()[..], dimensions).unwrap(), idx);
    }
}

/// A batch of CIFAR-10.
pub(crate) fn cifar(bytes: &[u8]) {
    let Ok(set) = ImageSet::read_cifar_batch("cifar-10", Path::new("batch"), bytes, 10) else { return };
    let pixels = set.images.chunks_exact(3072);
    assert_eq!((set.count, pixels.len(), pixels.remainder().len()), (set.labels.len(), set.count, 0));
    let again: Vec<u8> = set.labels.iter().zip(pixels).flat_map(|(label, p)| [&[*label], p].concat()).collect();
    assert_eq!(again, bytes);
}

/// A checkpoint; or a JSON object, whose values are laid over those of a checkpoint that is whole.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let (plan, set) = tiny_run();
    if let Ok(state) = checkpoint::from_bytes(bytes) {
        let written = checkpoint::to_bytes(&state).unwrap();
        let again = checkpoint::from_bytes(&written).unwrap();
        assert_eq!(again.values, state.values);
        assert_eq!(checkpoint::to_bytes(&again).unwrap(), written);
        go_on(&plan, &set, &state);
    }
    if let Ok(Value::Object(values)) = serde_json::from_slice(bytes) {
        let mut state = checkpoint::from_bytes(&tiny_checkpoint()).unwrap();
        state.values.extend(values);
        go_on(&plan, &set, &state);
    }
}

/// Whatever a state holds, restoring it is refused, or the run goes on, to a divergence at worst.
fn go_on(plan: &Plan, set: &ImageSet, state: &State) {
    let mut run = Run::new(&plan.runs[0], set).unwrap();
    if state.restore_part("run", &mut run).is_err() {
        return;
    }
    for _ in 0..3 {
        if run.is_over() || run.advance().is_err() {
            return;
        }
    }
}

/// The run that checkpoints are restored into, which has a part of every kind.
pub(crate) fn tiny_run() -> (Plan, ImageSet) {
    tch::set_num_threads(1);
    let set = ImageSet {
        name: "tiny".to_owned(),
        images: (0..24).map(|pixel| pixel * 10).collect(),
        labels: vec![0, 1, 2, 0, 1, 2],
        count: 6,
        rows: 2,
        columns: 2,
        channels: 1,
        classes: 3,
        first_label: 0,
        checksum: "none".to_owned(),
        test: None,
    };
    let experiment = json!({
        "stream": { "tasks": 3, "epochs": 1 },
        "network": { "hidden": [3] },
        "training": { "batch_size": 4 },
        "measure": { "interval": 1, "window": 3, "probe_images": 4 },
        "methods": ["crelu+wasserstein+reset"],
        "schedules": ["constant"],
        "seeds": 1,
    });
    let experiment = Experiment::from_value(experiment, "tiny.json", "tiny").unwrap();
    let facts = ImageFacts::of(&set);
    (Plan::new(experiment, &facts).unwrap(), set)
}

/// The bytes of its checkpoint in the middle of its second task.
pub(crate) fn tiny_checkpoint() -> Vec<u8> {
    let (plan, set) = tiny_run();
    let mut run = Run::new(&plan.runs[0], &set).unwrap();
    for _ in 0..3 {
        run.advance().unwrap();
    }
    let mut state = State::default();
    state.put_part("run", &run);
    checkpoint::to_bytes(&state).unwrap()
}

/// An experiment file: what is accepted makes a plan, or is refused, and means the same when it is written and read again.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let experiment = match Experiment::parse(text, &[], "fuzz.json", "fuzz") {
        Ok(experiment) => experiment,
        Err(refusal) => {
            assert!(refusal.to_string().contains("fuzz.json"));
            return;
        }
    };
    let written = serde_json::to_value(&experiment).unwrap();
    let again = Experiment::parse(&written.to_string(), &[], "fuzz.json", "other").unwrap();
    assert_eq!(again, experiment);
    let shape = Some(ImageShape { channels: 1, rows: 28, columns: 28 });
    let facts = ImageFacts { shape, ..ImageFacts::bare(60_000, "none") };
    let Ok(plan) = Plan::new(experiment, &facts) else { return };
    let again = Plan::new(again, &facts).unwrap();
    assert_eq!(plan.runs.len(), again.runs.len());
    for (run, again) in plan.runs.iter().zip(&again.runs) {
        assert_eq!((run.name(), &run.hash), (again.name(), &again.hash));
        assert_is_harmless(&run.name());
        assert!(run.updates() > 0);
    }
    for run in plan.runs.iter().take(3) {
        let record = RunRecord { options: run.options.clone(), seed: run.seed, ..finished("relu", "constant") };
        let text = serde_json::to_string_pretty(&record).unwrap();
        let again: RunRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(again, record);
        assert_eq!(again.options.to_string(), run.options.to_string(), "its hash can be formed again");
        run.method.build();
    }
}

/// Three folders below each other that every system can make.
fn assert_is_harmless(name: &str) {
    let parts: Vec<&str> = name.split('/').collect();
    assert!(parts.len() == 3 && parts.iter().all(|part| (1..=80).contains(&part.len())), "{name:?}");
    assert!(parts.iter().all(|part| part.starts_with(|c: char| c.is_ascii_alphanumeric())), "{name:?}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "_-+=@.,/".contains(c)), "{name:?}");
}

/// The record of a run with every field of its own.
pub(crate) fn scheduled_record() -> RunRecord {
    let counts = |layer: &str| LayerEvents { layer: layer.to_owned(), cooled: 2, warmed: 1, held: 3, undefined: 1 };
    let seconds = [("curvature", 0.25), ("forward_backward", 1e-3), ("total", 1.5)];
    RunRecord {
        options: tiny_run().0.runs[0].options.clone(),
        events: vec![counts("fc1"), counts("fc2")],
        scheduled: true,
        seconds: seconds.map(|(part, seconds)| (part.to_owned(), seconds)).into(),
        flat_curvature_events: 1,
        unconverged_curvature_events: 2,
        diverged_at_task: Some(2),
        error: Some("the loss is NaN".to_owned()),
        fault: true,
        last_finite_loss: Some(2.25),
        resumptions: 3,
        checksums: BTreeMap::from([("tasks.csv".to_owned(), "00ff".to_owned())]),
        ..finished("relu", "paper")
    }
}

/// The record of a finished run.
pub(crate) fn finished(method: &str, schedule: &str) -> RunRecord {
    RunRecord {
        status: Status::Finished,
        updates: 6,
        tasks: 3,
        seconds: BTreeMap::from([("total".to_owned(), 1.5)]),
        ..RunRecord::begun("none", method, schedule, 0, json!({}))
    }
}
