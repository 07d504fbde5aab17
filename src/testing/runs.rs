//! Runs that are over in a moment: a small network and a few updates.

use serde_json::{Value, json};
use trainability_record::{ControlRow, TaskRow};
use trainability_tensor::{Generator, State, Stateful};

use crate::data::ImageSet;
use crate::experiment::{Experiment, ImageFacts, Plan};
use crate::run::{Run, RunPlan, checkpoint, columns};

/// Images of random pixels, all of class 0; of 255 values those below `background` are the background, 0.
pub(crate) fn images(count: usize, [channels, rows, columns]: [usize; 3], background: i64) -> ImageSet {
    // As in a sweep: several threads in each of several tests only wait for each other.
    tch::set_num_threads(1);
    let pixels = Generator::named("pixels", 0).labels(count * channels * rows * columns, 256);
    let pixels = Vec::<i64>::try_from(pixels).unwrap().into_iter();
    ImageSet {
        name: "synthetic".to_owned(),
        images: pixels.map(|pixel| if pixel < background { 0 } else { pixel as u8 }).collect(),
        labels: vec![0; count],
        count,
        rows,
        columns,
        channels,
        classes: 10,
        first_label: 0,
        checksum: "none".to_owned(),
        test: None,
    }
}

/// The runs of an experiment of three tasks of three epochs, over which each of the `layers` lays its options: those of a
/// section are added to it, everything else is replaced.
pub(crate) fn plans(facts: &ImageFacts, layers: &[&Value]) -> Vec<RunPlan> {
    let mut experiment = json!({
        "stream": { "tasks": 3, "epochs": 3 },
        "network": { "hidden": [12, 8] },
        "training": { "batch_size": 20, "learning_rate": 0.01 },
        "measure": { "interval": 2, "window": 3, "probe_images": 16 },
        "control": { "cool": 0.9, "floor": 0.0 },
        "methods": ["relu"],
        "schedules": ["constant"],
        "seeds": 1
    });
    for (key, value) in layers.iter().flat_map(|layer| layer.as_object().unwrap()) {
        match (value, experiment[key].as_object_mut()) {
            (Value::Object(options), Some(section)) => section.extend(options.clone()),
            _ => experiment[key] = value.clone(),
        }
    }
    let experiment = Experiment::from_value(experiment, "test.json", "test").unwrap();
    Plan::new(experiment, facts).unwrap().runs
}

/// The run of a plan before its first update.
pub(crate) fn begin(plan: &RunPlan, set: &ImageSet) -> Run {
    Run::new(plan, set).unwrap()
}

/// Everything that a run writes, from where it stands to its end.
pub(crate) fn finish(run: &mut Run) -> (Vec<TaskRow>, Vec<ControlRow>) {
    let (mut tasks, mut controls) = (Vec::new(), Vec::new());
    while !run.is_over() {
        let advance = run.advance().unwrap();
        controls.extend(advance.controls);
        tasks.extend(advance.task);
    }
    (tasks, controls)
}

/// Stops a run after so many updates, and lets another go on from there.
pub(crate) fn goes_on_with_the_same_bits(set: &ImageSet, plan: &RunPlan, stops: impl IntoIterator<Item = u64>) {
    let mut whole = begin(plan, set);
    let expected = finish(&mut whole);
    for stop in stops {
        let mut first = begin(plan, set);
        let (mut tasks, mut controls) = (Vec::new(), Vec::new());
        for _ in 0..stop {
            let advance = first.advance().unwrap();
            controls.extend(advance.controls);
            tasks.extend(advance.task);
        }
        let state = checkpoint::from_bytes(&checkpoint::to_bytes(&state_of(&first)).unwrap()).unwrap();
        // Another run has moved on before it takes the state over: nothing of its own may be left.
        let mut second = begin(plan, set);
        (0..plan.updates().min(7)).for_each(|_| drop(second.advance().unwrap()));
        second.restore(&state).unwrap();
        let rest = finish(&mut second);
        tasks.extend(rest.0);
        controls.extend(rest.1);
        for (name, difference) in [
            ("tasks", first_difference(&tasks, &expected.0)),
            ("controls", first_difference(&written(&controls), &written(&expected.1))),
        ] {
            if let Some(difference) = difference {
                panic!("{} stopped at {stop}: {name}, {difference}", plan.name());
            }
        }
        assert_eq!(second.learner().events(), whole.learner().events(), "{} stopped at {stop}", plan.name());
    }
}

/// Rows of `controls.csv` as they are written.
pub(crate) fn written(rows: &[ControlRow]) -> Vec<TaskRow> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    rows.iter().for_each(|row| writer.serialize(row).unwrap());
    let bytes = writer.into_inner().unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
    let fields = |row: csv::StringRecord| columns().controls.into_iter().zip(row.iter().map(str::to_owned)).collect();
    reader.records().map(|row| fields(row.unwrap())).collect()
}

/// Everything that a part remembers.
pub(crate) fn state_of(part: &(impl Stateful + ?Sized)) -> State {
    let mut state = State::default();
    part.save(&mut state);
    state
}

/// The first row and column in which two tables differ, and what stands there: whole tables are too long to be read.
pub(crate) fn first_difference(found: &[TaskRow], expected: &[TaskRow]) -> Option<String> {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        if let Some(((column, found), (_, expected))) = found.iter().zip(expected).find(|(one, other)| one != other) {
            return Some(format!("row {number}, {column}: {found:?}, expected {expected:?}"));
        }
        if found.len() != expected.len() {
            return Some(format!("row {number}: {} columns, expected {}", found.len(), expected.len()));
        }
    }
    (found.len() != expected.len()).then(|| format!("{} rows, expected {}", found.len(), expected.len()))
}
