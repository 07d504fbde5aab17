//! Saving and restoring a run: every part by its own [`Stateful`].

use trainability_baselines::{State, StateError, Stateful};

use super::Run;

impl Stateful for Run {
    fn save(&self, state: &mut State) {
        state.put_part("stream", self.stream.as_ref());
        state.put_part("network", &self.network);
        state.put_part("initialisation", &self.initialisation);
        state.put_part("optimizer", &self.optimizer);
        for penalty in &self.penalties {
            state.put_part(&format!("penalty.{}", penalty.name()), penalty.as_ref());
        }
        state.put_part("surgery_generator", &self.surgery_generator);
        for surgery in &self.surgeries {
            state.put_part(&format!("surgery.{}", surgery.name()), surgery.as_ref());
        }
        state.put_part("probe", &self.probe);
        state.put_part("indicators", &self.indicator_generator);
        for (layer, estimator) in self.bounds.iter().enumerate() {
            state.put_part(&format!("bounds{layer}"), estimator);
        }
        state.put_part("schedule", self.schedule.as_ref());
        state.put_value("events", &self.events);
        state.put_value("task", &self.task);
        state.put_value("update", &self.update);
        state.put_value("update_in_task", &self.update_in_task);
        state.put_part("summary", &self.summary);
        state.put_numbers("last_finite", &[self.last_finite]);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.restore_part("stream", self.stream.as_mut())?;
        state.restore_part("network", &mut self.network)?;
        state.restore_part("initialisation", &mut self.initialisation)?;
        state.restore_part("optimizer", &mut self.optimizer)?;
        for penalty in &mut self.penalties {
            state.restore_part(&format!("penalty.{}", penalty.name()), penalty.as_mut())?;
        }
        state.restore_part("surgery_generator", &mut self.surgery_generator)?;
        for surgery in &mut self.surgeries {
            state.restore_part(&format!("surgery.{}", surgery.name()), surgery.as_mut())?;
        }
        state.restore_part("probe", &mut self.probe)?;
        state.restore_part("indicators", &mut self.indicator_generator)?;
        for (layer, estimator) in self.bounds.iter_mut().enumerate() {
            state.restore_part(&format!("bounds{layer}"), estimator)?;
        }
        state.restore_part("schedule", self.schedule.as_mut())?;
        self.events = state.value("events")?;
        self.task = state.value("task")?;
        self.update = state.value("update")?;
        self.update_in_task = state.value("update_in_task")?;
        state.restore_part("summary", &mut self.summary)?;
        self.last_finite = state.numbers("last_finite")?.first().copied().unwrap_or(f64::NAN);
        Ok(())
    }
}
