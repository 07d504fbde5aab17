//! Runs that cost the same: the parts of a run take as long whatever its seed, rate, schedule and number of tasks.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::data::ImageSet;
use crate::run::RunPlan;
use crate::sweep::memory;

/// A run that has work left, and how far it is.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    /// The run.
    pub(crate) run: &'a RunPlan,
    /// Tasks completed.
    pub(crate) tasks: usize,
    /// Updates made.
    pub(crate) updates: u64,
}

impl Left<'_> {
    /// Updates that are still to be made.
    pub(super) fn updates_left(&self) -> u64 {
        self.run.updates().saturating_sub(self.updates)
    }
}

/// Runs of one kind.
pub(in crate::sweep) struct Kind<'a> {
    /// What it is called.
    pub(super) label: String,
    /// Its runs, by their place among all that are left.
    pub(in crate::sweep) runs: Vec<usize>,
    /// One of them.
    pub(super) example: &'a RunPlan,
    /// Multiplications of an update, roughly: what kinds that are not measured are compared by.
    pub(in crate::sweep) work: f64,
    /// Bytes that one of its runs takes in any case.
    pub(super) least: f64,
}

/// Options on which no part of a run depends: how often each is done is another matter.
const INDIFFERENT: [&str; 6] =
    ["/seed", "/stream/tasks", "/stream/epochs", "/stream/length_spread", "/stream/recurring", "/schedule"];

/// What the cost of a run's parts depends on, as text.
fn key(run: &RunPlan) -> String {
    let mut options = run.options.clone();
    // The whole network's statistics are formed beside those of its layers.
    let whole = options.pointer("/schedule/scope").is_some_and(|scope| scope == "network");
    for pointer in INDIFFERENT {
        if let Some(value) = options.pointer_mut(pointer) {
            *value = Value::Null;
        }
    }
    // An optimizer's constants take no time.
    options["training"] = json!([run.training.optimizer, run.training.batch_size, run.training.precision]);
    // Measured and other updates are told apart, unless there is nothing to tell.
    options["measure"]["interval"] = (run.measure.interval > 0).into();
    options["method"]["parts"].as_array_mut().into_iter().flatten().for_each(|part| {
        if let Some(coefficient) = part.pointer_mut("/options/coefficient") {
            *coefficient = Value::Null;
        }
    });
    format!("{options} {whole}")
}

/// Multiplications of an update: forward, and twice as many backward; a small network's time is that of its calls.
fn work(run: &RunPlan, set: &ImageSet) -> f64 {
    /// What the calls of an update take, as the multiplications that could be made instead.
    const CALLS: f64 = 1e7;
    let method = run.method.build();
    let layers = run.architecture(set, &method).layers(method.activation.as_ref());
    let products = layers.iter().map(|layer| layer.parameter_count() as f64 * layer.positions() as f64).sum::<f64>();
    CALLS + 3.0 * products * run.training.batch_size as f64
}

/// The kinds of the runs that are left, in the order of the plan.
pub(in crate::sweep) fn kinds<'a>(left: &[Left<'a>], set: &ImageSet) -> Vec<Kind<'a>> {
    let mut kinds: Vec<Kind> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, left) in left.iter().enumerate() {
        let place = *places.entry(key(left.run)).or_insert(kinds.len());
        if place == kinds.len() {
            let (work, least) = (work(left.run, set), memory::least(left.run, set));
            kinds.push(Kind { label: String::new(), runs: Vec::new(), example: left.run, work, least });
        }
        kinds[place].runs.push(index);
    }
    name(&mut kinds, left);
    kinds
}

/// Gives each kind the name of its first method, and where another kind has a method of that name, its first schedule's too.
fn name(kinds: &mut [Kind], left: &[Left]) {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    kinds.iter().for_each(|kind| *count.entry(&kind.example.method.label).or_default() += 1);
    for kind in kinds {
        let RunPlan { method, schedule, .. } = kind.example;
        kind.label = match count[method.label.as_str()] {
            1 => method.label.clone(),
            _ => format!("{}/{schedule}", method.label),
        };
        let mut others: Vec<&str> = kind.runs.iter().map(|&run| left[run].run.method.label.as_str()).collect();
        others.sort_unstable();
        others.dedup();
        if others.len() > 1 {
            kind.label += &format!(" and {} more", others.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::experiment::ImageFacts;
    use crate::testing::runs::{images, plans};

    fn labels(changes: Value) -> Vec<(String, usize)> {
        let set = images(40, [1, 4, 4], 0);
        let runs = plans(&ImageFacts::of(&set), &[&changes]);
        let left: Vec<Left> = runs.iter().map(|run| Left { run, tasks: 0, updates: 0 }).collect();
        kinds(&left, &set).into_iter().map(|kind| (kind.label, kind.runs.len())).collect()
    }

    fn are(found: &[(String, usize)], expected: &[(&str, usize)]) {
        let found: Vec<_> = found.iter().map(|(label, runs)| (label.as_str(), *runs)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn seeds_rates_schedules_and_lengths_are_of_one_kind() {
        let schedules = json!(["constant", "paper", "cosine", { "name": "constant", "learning_rate": 0.1 }]);
        let grid = json!({ "training.learning_rate": [0.1, 0.2], "stream.epochs": [1, 2], "measure.interval": [1, 7] });
        let found = labels(json!({ "schedules": schedules, "grid": grid, "seeds": 2 }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with(" and 7 more") && found[0].1 == 64, "{found:?}");
        let coefficients = json!(["l2_loss", { "name": "l2_loss", "coefficient": 0.1 }]);
        are(&labels(json!({ "methods": coefficients })), &[("l2_loss and 1 more", 2)]);
    }

    #[test]
    fn what_changes_the_work_makes_another_kind() {
        are(&labels(json!({ "methods": ["relu", "crelu", "reset"] })), &[("relu", 1), ("crelu", 1), ("reset", 1)]);
        let schedules = json!(["paper", { "name": "paper", "scope": "network" }]);
        are(&labels(json!({ "schedules": schedules })), &[("relu/paper", 1), ("relu/paper-scope=network", 1)]);
        for grid in [
            json!({ "network.hidden": [[4], [8]] }),
            json!({ "training.batch_size": [4, 8] }),
            json!({ "training.precision": ["f32", "f64"] }),
            json!({ "measure.interval": [0, 3] }),
            json!({ "measure.probe_images": [8, 16] }),
            json!({ "data.images": [20, 40] }),
        ] {
            assert_eq!(labels(json!({ "grid": &grid })).len(), 2, "{grid}");
        }
    }
}
