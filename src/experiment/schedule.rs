//! Entries of the `schedules` list.

use serde_json::{Map, Value};
use trainability_baselines::options::expected_one_of;
use trainability_baselines::registry::part;

use super::error::ConfigError;
use super::file::Experiment;
use super::labels::{self, read_label, read_name};
use super::wording;
use crate::schedule::{Resolved, RunFacts, SCHEDULES, ScheduleError, ScheduleKind, constant, schedule};

/// A schedule of the sweep; its options are resolved with each run.
#[derive(Clone, Debug)]
pub(crate) struct SchedulePlan {
    /// Its folder and its name in tables.
    pub label: String,
    /// The registry entry.
    pub entry: &'static ScheduleKind,
    own: Map<String, Value>,
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
                let name = read_name(experiment, &key, object)?.to_owned();
                let mut own = object.clone();
                own.retain(|key, _| key != "label" && key != "name");
                (name, label, own)
            }
            other => return Err(experiment.refuse(&key, other, "a name or an object with `name`")),
        };
        let entry = schedule(&name).ok_or_else(|| {
            let expected = match name.split('+').all(|name| part(name).is_some()) {
                true => "a schedule: it is a method, and stands in `methods`".to_owned(),
                false => expected_one_of(&name, &known),
            };
            experiment.refuse(&key, format!("{name:?}"), expected)
        })?;
        if entry.needs_measurement && experiment.measure.interval == 0 {
            let expected = format!("above 0: `{name}` acts on what is measured");
            return Err(experiment.refuse("measure.interval", 0, expected));
        }
        if let (true, Err(reason)) = (entry.needs_measurement, experiment.training.has_effective_step()) {
            let found = format!("{:?}", experiment.training.optimizer);
            let expected = format!("one with an effective step, which `{name}` acts on: {reason}");
            return Err(experiment.refuse("training.optimizer", found, expected));
        }
        let label = label.unwrap_or_else(|| labels::written(&name, &own, &labels::SILENT));
        // The control that every gain is measured against is found by its name: nothing else may bear it.
        let own_name = label == name && (own.is_empty() || name != constant::KIND.name);
        labels::check(experiment, &key, &label, own_name || schedule(&label).is_none())?;
        Ok(SchedulePlan { label, entry, own, key })
    }

    /// All options, as they are in a run.
    pub(super) fn resolve(&self, experiment: &Experiment, facts: RunFacts) -> Result<Resolved, ConfigError> {
        let resolve = |control: Value, own: Value| (self.entry.resolve)(&control, &own, facts);
        let place = |option: &str| {
            let in_control = !self.own.contains_key(option) && experiment.control.contains_key(option);
            let key = if in_control { "control" } else { &self.key };
            format!("{key}.{option}")
        };
        let (control, own) = (&experiment.control, &self.own);
        resolve(control.clone().into(), own.clone().into()).map_err(|error| match error {
            ScheduleError::Value(value) => experiment.refuse(&place(&value.key), value.found, value.expected),
            ScheduleError::Options(source) => {
                let shape = |result| matches!(result, Err(ScheduleError::Options(_)));
                let key =
                    wording::guilty(&self.key, own, |option| shape(resolve(Map::new().into(), option))).or_else(|| {
                        wording::guilty("control", control, |option| shape(resolve(option, Map::new().into())))
                    });
                experiment.complaint(key.as_deref().unwrap_or("control"), &source)
            }
        })
    }
}
