//! Entries of the `schedules` list.

use serde_json::{Map, Value};

use super::label;
use super::method::read_label;
use super::{ConfigError, Experiment, MethodPlan};
use crate::schedule::{Entry, Resolved, RunFacts, SCHEDULES, ScheduleError};

/// A schedule of the sweep; its options are resolved with each method.
#[derive(Clone, Debug)]
pub struct SchedulePlan {
    /// Its folder and its name in tables.
    pub label: String,
    /// The registry entry.
    pub entry: &'static Entry,
    own: Value,
    key: String,
}

impl SchedulePlan {
    /// Reads the entry at `index` of the list.
    pub(super) fn read(experiment: &Experiment, index: usize) -> Result<SchedulePlan, ConfigError> {
        let key = format!("schedules[{index}]");
        let known: Vec<&str> = SCHEDULES.iter().map(|entry| entry.name).collect();
        let (name, label, own) = match &experiment.schedules[index] {
            Value::String(name) => (name.clone(), None, Map::new()),
            Value::Object(object) => {
                let label = read_label(experiment, &key, object)?;
                let mut own = object.clone();
                own.remove("label");
                let name = own.remove("name").and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
                (name, label, own)
            }
            other => return Err(experiment.refuse(&key, other, "a name or an object with `name`")),
        };
        let entry = Entry::named(&name)
            .ok_or_else(|| experiment.refuse(&key, format!("{name:?}"), label::expected_one_of(&name, &known)))?;
        if entry.needs_measurement && experiment.measure.interval == 0 {
            let expected = format!("above 0: `{name}` acts on what is measured");
            return Err(experiment.refuse("measure.interval", 0, expected));
        }
        let changed = own.iter().map(|(key, value)| format!("-{key}={}", label::of_value(value)));
        let label = label.unwrap_or_else(|| format!("{name}{}", changed.collect::<String>()));
        if !label::is_valid(&label) {
            return Err(experiment.refuse(&format!("{key}.label"), format!("{label:?}"), label::RULE));
        }
        Ok(SchedulePlan { label, entry, own: Value::Object(own), key })
    }

    /// All options, as they are with this method.
    pub(super) fn resolve(&self, experiment: &Experiment, method: &MethodPlan) -> Result<Resolved, ConfigError> {
        let parts: Vec<String> = method.parts.iter().map(|(name, _)| name.clone()).collect();
        let facts = RunFacts { parts: &parts, learning_rate: experiment.training.learning_rate };
        let control = Value::Object(experiment.control.clone());
        let place = |option: &str| {
            let key = if self.own.get(option).is_some() { &self.key } else { "control" };
            if option.is_empty() { key.to_owned() } else { format!("{key}.{option}") }
        };
        (self.entry.resolve)(&control, &self.own, facts).map_err(|error| match error {
            ScheduleError::Value(value) => experiment.refuse(&place(&value.key), value.found, value.expected),
            ScheduleError::Options(source) => ConfigError::Shape {
                path: experiment.path.clone(),
                key: if self.own.as_object().is_some_and(|own| !own.is_empty()) {
                    format!("control` or `{}", self.key)
                } else {
                    "control".to_owned()
                },
                message: source.to_string(),
            },
        })
    }
}
