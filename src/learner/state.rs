//! Saving and restoring a learner: every part by its own [`Stateful`].

use trainability_record::LayerEvents;
use trainability_tensor::{State, StateError, Stateful};

use super::learning::Learner;

impl Stateful for Learner {
    fn save(&self, state: &mut State) {
        state.put_part("network", self.model.as_ref());
        state.put_part("initialisation", &self.initialisation);
        state.put_part("initial", &self.initial);
        state.put_part("optimizer", self.optimizer.as_ref());
        for penalty in &self.penalties {
            state.put_part(&format!("penalty.{}", penalty.name()), penalty.as_ref());
        }
        state.put_part("surgery_generator", &self.surgery_generator);
        for surgery in &self.surgeries {
            state.put_part(&format!("surgery.{}", surgery.name()), surgery.as_ref());
        }
        state.put_part("probe", &self.probe);
        state.put_part("indicators", &self.indicator_generator);
        state.put_part("indicators_at_start", &self.start_generator);
        for (layer, estimator) in self.bounds.iter().enumerate() {
            state.put_part(&format!("bounds{layer}"), estimator);
        }
        state.put_part("schedule", self.schedule.as_ref());
        state.put_value("events", &self.events);
        state.put_value("updates", &self.updates);
        state.put_numbers("last_finite", &[self.last_finite]);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        state.restore_part("network", self.model.as_mut())?;
        state.restore_part("initialisation", &mut self.initialisation)?;
        state.restore_part("initial", &mut self.initial)?;
        state.restore_part("optimizer", self.optimizer.as_mut())?;
        for penalty in &mut self.penalties {
            state.restore_part(&format!("penalty.{}", penalty.name()), penalty.as_mut())?;
        }
        state.restore_part("surgery_generator", &mut self.surgery_generator)?;
        for surgery in &mut self.surgeries {
            state.restore_part(&format!("surgery.{}", surgery.name()), surgery.as_mut())?;
        }
        state.restore_part("probe", &mut self.probe)?;
        state.restore_part("indicators", &mut self.indicator_generator)?;
        state.restore_part("indicators_at_start", &mut self.start_generator)?;
        for (layer, estimator) in self.bounds.iter_mut().enumerate() {
            state.restore_part(&format!("bounds{layer}"), estimator)?;
        }
        state.restore_part("schedule", self.schedule.as_mut())?;
        self.updates = state.count("updates", State::MOST_COUNT)?;
        state.numbers_into("last_finite", std::slice::from_mut(&mut self.last_finite))?;
        self.restore_events(state)
    }
}

impl Learner {
    /// What the schedule did to the layers that there are, at updates that were made.
    fn restore_events(&mut self, state: &State) -> Result<(), StateError> {
        let events: Vec<LayerEvents> = state.value("events")?;
        let known = |(event, own): (&LayerEvents, &LayerEvents)| {
            let counts = [event.cooled, event.warmed, event.held, event.undefined];
            event.layer == own.layer && counts.iter().all(|count| *count <= self.updates)
        };
        if events.len() != self.events.len() || !events.iter().zip(&self.events).all(known) {
            let found = format!("{} entries of other layers or counts", events.len());
            return Err(StateError::mismatch("events", found, "an entry a layer with no more events than updates"));
        }
        self.events = events;
        Ok(())
    }
}
