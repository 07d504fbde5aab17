//! The base learning rate for every layer, for ever: the control that every schedule is compared with.

use std::sync::Arc;

use serde_json::{Value, json};
use trainability_baselines::{State, StateError, Stateful};

use super::controller::ControlOptions;
use super::{Action, Bounds, Entry, Progress, Resolved, RunFacts, Schedule, ScheduleError, Start};
use crate::probe::LayerStatistics;

/// `constant`.
pub const ENTRY: Entry =
    Entry { name: "constant", about: "the base learning rate, unchanged", needs_measurement: false, resolve };

fn resolve(control: &Value, own: &Value, _facts: RunFacts) -> Result<Resolved, ScheduleError> {
    if let Some(key) = own.as_object().and_then(|own| own.keys().next()) {
        return Err(super::OptionError::new(key, "an unknown key", "nothing: `constant` has no options").into());
    }
    let bounds = ControlOptions::layered(&[control])?.bounds();
    let options = json!({ "name": ENTRY.name, "bounds": bounds });
    Ok(Resolved { options, bounds, factory: Arc::new(|start| Box::new(Constant::new(start))) })
}

/// Keeps its rates.
#[derive(Debug)]
pub struct Constant {
    learning_rates: Vec<f64>,
}

impl Constant {
    /// The base rate for each layer.
    pub fn new(start: Start) -> Constant {
        Constant { learning_rates: vec![start.learning_rate; start.layers] }
    }
}

impl Schedule for Constant {
    fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    fn control(&mut self, _: Progress, _: &[LayerStatistics], _: &[Bounds]) -> Vec<Action> {
        Vec::new()
    }

    fn takes_decisions(&self) -> bool {
        false
    }
}

impl Stateful for Constant {
    fn save(&self, state: &mut State) {
        state.put_numbers("learning_rates", &self.learning_rates);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.learning_rates = state.numbers_of_length("learning_rates", self.learning_rates.len())?;
        Ok(())
    }
}
