//! The learning rates of a file, layer by layer: the course that a schedule took in another run, without its decisions.
//!
//! The file is one like `controls.csv`, where a row has a layer's rate right before the schedule acts at that update. What the
//! schedule decides there holds from that update's own step on. So the rate of a row is that of the steps from the layer's
//! previous row (or the run's beginning) on, up to the last step before its own update, and a run that replays its own
//! `controls.csv` takes the same steps. What was decided at the last row stands in no file: from there on the last row's
//! rate stays.

use std::fs;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trainability_baselines::options::OptionError;
use trainability_tensor::{State, StateError, Stateful};

use super::controller::ControlOptions;
use super::definition::{Progress, Resolved, RunFacts, Schedule, ScheduleError, ScheduleKind, Start};

/// `replay`.
pub(super) const KIND: ScheduleKind = ScheduleKind {
    name: "replay",
    about: "the learning rates of a file, layer by layer, whatever is measured",
    needs_measurement: false,
    schema: || schemars::schema_for!(ReplayOptions).to_value(),
    resolve,
};

/// The schedule's own options.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReplayOptions {
    /// The file, which has to be given: CSV with the columns `update` (from 1), `layer` and `learning_rate`, such as a run's
    /// `controls.csv` or what `trainability replay` writes. `{method}` and `{seed}` in its path stand for those of the run.
    pub rates: Option<String>,
    /// Whether each layer keeps the mean of its rates over all updates of the run, in place of their course.
    pub flat: bool,
}

/// Of the `control` section only the bounds matter: they are recorded, not acted on.
fn resolve(control: &Value, own: &Value, facts: RunFacts) -> Result<Resolved, ScheduleError> {
    let ReplayOptions { rates, flat } = ReplayOptions::deserialize(own)?;
    let given =
        rates.ok_or_else(|| OptionError::new("rates", "missing", "the path of a CSV file of learning rates"))?;
    if facts.layers.is_empty() {
        let expected = "left to experiments, where the layers of the network are known beforehand";
        return Err(OptionError::new("rates", format!("{given:?}"), expected).into());
    }
    let path = filled(&given, facts)?;
    let refuse = |expected: String| OptionError::new("rates", format!("{path:?}"), &expected);
    let bytes = fs::read(&path).map_err(|problem| refuse(format!("a file that can be read ({problem})")))?;
    let mut courses = read(&bytes, facts.layers).map_err(refuse)?;
    if flat {
        courses = courses.iter().map(|course| RateCourse::constant(course.mean(facts.updates))).collect();
    }
    let courses = Arc::new(courses);
    let bounds = ControlOptions::layered(&[control])?.bounds();
    let digest = hex::encode(Sha256::digest(&bytes));
    Ok(Resolved {
        options: json!({ "name": KIND.name, "bounds": bounds, "rates": given, "flat": flat, "sha256": digest }),
        bounds,
        factory: Arc::new(move |start| Box::new(Replay::new(courses.clone(), start))),
    })
}

/// The path with the run's method and seed in their places.
fn filled(given: &str, facts: RunFacts) -> Result<String, OptionError> {
    let rest = given.replace("{method}", "").replace("{seed}", "");
    if rest.contains(['{', '}']) {
        return Err(OptionError::new("rates", format!("{given:?}"), "no braces but those of {method} and {seed}"));
    }
    Ok(given.replace("{method}", facts.method).replace("{seed}", &facts.seed.to_string()))
}

/// The rates of one layer.
#[derive(Clone, Debug, Default, PartialEq)]
struct RateCourse {
    /// The update of each row, counted from 1, ascending.
    updates: Vec<u64>,
    /// The rate of each row.
    rates: Vec<f64>,
}

impl RateCourse {
    fn constant(rate: f64) -> RateCourse {
        RateCourse { updates: vec![1], rates: vec![rate] }
    }

    /// The rate of an update's step; the update counts from 0, as in [`Progress`].
    fn at(&self, update: u64) -> f64 {
        let next = self.updates.partition_point(|&row| row <= update + 1);
        self.rates[next.min(self.rates.len() - 1)]
    }

    /// The mean rate of the first so many steps.
    fn mean(&self, updates: u64) -> f64 {
        let last = self.rates.len() - 1;
        let (mut sum, mut from) = (0.0, 1);
        for (row, (&update, &rate)) in self.updates.iter().zip(&self.rates).enumerate() {
            let until = if row == last { updates + 1 } else { update.min(updates + 1) };
            sum += rate * (until - from) as f64;
            from = until;
        }
        sum / updates as f64
    }
}

/// The courses of these layers; or what would have been right, as a part of a sentence.
fn read(bytes: &[u8], layers: &[String]) -> Result<Vec<RateCourse>, String> {
    const COLUMNS: [&str; 3] = ["update", "layer", "learning_rate"];
    let broken = |error: csv::Error| format!("a CSV file ({error})");
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().map_err(broken)?;
    let place = |name| headers.iter().position(|header| header == name);
    let [Some(update), Some(layer), Some(rate)] = COLUMNS.map(place) else {
        return Err(format!("a CSV file with the columns {}", COLUMNS.join(", ")));
    };
    let mut courses = vec![RateCourse::default(); layers.len()];
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let Some(index) = layers.iter().position(|name| *name == record[layer]) else { continue };
        let course = &mut courses[index];
        let number = record[update].parse().ok().filter(|&number| number > 0);
        let number =
            number.ok_or_else(|| format!("an update from 1 on in line {line}, which has {:?}", &record[update]))?;
        if let Some(before) = course.updates.last().filter(|&&before| before >= number) {
            let name = &layers[index];
            return Err(format!("updates that ascend: in line {line}, {name} has {number} after {before}"));
        }
        let value = record[rate].parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0);
        let value =
            value.ok_or_else(|| format!("a finite rate above 0 in line {line}, which has {:?}", &record[rate]))?;
        course.updates.push(number);
        course.rates.push(value);
    }
    match layers.iter().zip(&courses).find(|(_, course)| course.rates.is_empty()) {
        Some((name, _)) => Err(format!("rates of every layer of the network ({}): {name} has none", layers.join(", "))),
        None => Ok(courses),
    }
}

/// Each layer at the rate that its course has at the update.
#[derive(Debug)]
struct Replay {
    courses: Arc<Vec<RateCourse>>,
    learning_rates: Vec<f64>,
}

impl Replay {
    fn new(courses: Arc<Vec<RateCourse>>, start: Start) -> Replay {
        assert_eq!(courses.len(), start.layers, "the layers that the plan knew");
        let learning_rates = courses.iter().map(|course| course.at(0)).collect();
        Replay { courses, learning_rates }
    }
}

impl Schedule for Replay {
    fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    fn begin_update(&mut self, progress: Progress) {
        for (rate, course) in self.learning_rates.iter_mut().zip(self.courses.iter()) {
            *rate = course.at(progress.update);
        }
    }
}

impl Stateful for Replay {
    fn save(&self, state: &mut State) {
        state.put_numbers("learning_rates", &self.learning_rates);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.numbers_into("learning_rates", &mut self.learning_rates)
    }
}
