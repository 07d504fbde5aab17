//! Runs that are over in a moment: a small network and a few updates.

use serde_json::{Value, json};
use trainability::config::{Experiment, ImageFacts, Plan, RunPlan};
use trainability::train::recorder::TaskRow;
use trainability::train::{ControlRow, Run};

/// The runs of an experiment of three tasks of three epochs, over which each of the `layers` lays its options: those of a
/// section are added to it, everything else is replaced.
pub fn plans(facts: &ImageFacts, layers: &[&Value]) -> Vec<RunPlan> {
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

/// Everything that a run writes, from where it stands to its end.
pub fn finish(run: &mut Run) -> (Vec<TaskRow>, Vec<ControlRow>) {
    let (mut tasks, mut controls) = (Vec::new(), Vec::new());
    while !run.is_over() {
        let advance = run.advance().unwrap();
        controls.extend(advance.controls);
        tasks.extend(advance.task);
    }
    (tasks, controls)
}
