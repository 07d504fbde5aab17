//! Arms that differ in their labels alone: an option set to its default makes a new label, and no new arm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use trainability_baselines::part::Contribution;
use trainability_baselines::registry::part as named_part;

use crate::run::RunPlan;
use crate::schedule::controller::ControlOptions;

/// The most arms that a sentence names.
const MOST_NAMED: usize = 4;
/// The most sentences; a grid over what an arm does not use repeats it at every point.
const MOST_SENTENCES: usize = 5;

/// Says which arms of some runs would be trained with the same result, in a few sentences; in none where all arms differ.
pub(crate) fn same_arms(runs: &[&RunPlan]) -> Vec<String> {
    let mut arms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut seen, mut order) = (BTreeSet::new(), Vec::new());
    for run in runs {
        let arm = format!("{}/{}", run.method.label, run.schedule);
        if !seen.insert(arm.clone()) {
            continue;
        }
        let effect = effect(run).to_string();
        let same = arms.entry(effect.clone()).or_default();
        same.push(arm);
        if same.len() == 2 {
            order.push(effect);
        }
    }
    let mut sentences: Vec<String> = order.iter().take(MOST_SENTENCES).map(|effect| sentence(&arms[effect])).collect();
    if order.len() > MOST_SENTENCES {
        sentences.push(format!("{} more groups of arms are the same", order.len() - MOST_SENTENCES));
    }
    sentences
}

fn sentence(names: &[String]) -> String {
    let shown = match names.len() {
        2..=MOST_NAMED => format!("{} and {}", names[..names.len() - 1].join(", "), names[names.len() - 1]),
        count => format!("{} and {} more", names[..MOST_NAMED - 1].join(", "), count - (MOST_NAMED - 1)),
    };
    format!(
        "{shown} differ in name only: with defaults filled in they have the same options, and every seed is trained {} times \
         with the same result; keep one of them",
        names.len()
    )
}

/// What a run trains, without the labels and with one spelling for each thing that can be written in several ways.
fn effect(run: &RunPlan) -> Value {
    let mut training = serde_json::to_value(&run.training).unwrap_or_default();
    let rate = training.as_object_mut().and_then(|training| training.remove("learning_rate"));
    let mut effect = json!({
        "data": run.data,
        "stream": run.stream,
        "network": run.network,
        "training": training,
        "measure": run.measure,
        "method": method(run),
        "schedule": schedule(&run.resolved.options, rate),
    });
    effect.sort_all_objects();
    effect
}

/// The parts without the activation that there is anyway. Penalties add up, and surgery follows, in the order in which they
/// are named; other parts do not depend on their order.
fn method(run: &RunPlan) -> Vec<(u8, &str, &Value)> {
    let mut parts: Vec<(u8, &str, &Value)> = Vec::new();
    for (name, options) in run.method.parts.iter().filter(|(name, _)| name != DEFAULT_ACTIVATION) {
        let place = match named_part(name).map(|part| part.build(options.clone())) {
            Some(Ok((Contribution::Penalty(_), _))) => 1,
            Some(Ok((Contribution::Surgery(_), _))) => 2,
            _ => 0,
        };
        parts.push((place, name, options));
    }
    parts.sort_by_key(|&(place, name, _)| (place, if place == 0 { name } else { "" }));
    parts
}

/// A method without an activation part is a ReLU network.
const DEFAULT_ACTIVATION: &str = "relu";

/// A schedule's own learning rate takes the place of the base rate, so that every schedule has one here. The variants of
/// `noise_curvature` are one controller, whose options tell them apart without a name.
fn schedule(options: &Value, base_rate: Option<Value>) -> Value {
    let mut options = options.as_object().cloned().unwrap_or_default();
    let name = options.remove("name");
    match serde_json::from_value::<ControlOptions>(Value::Object(options.clone())) {
        Ok(control) => options.insert("warm_share".to_owned(), json!(control.warm_share())),
        Err(_) => options.insert("name".to_owned(), json!(name)),
    };
    options.entry("learning_rate").or_insert(json!(base_rate));
    Value::Object(options)
}
