//! Saving and restoring a run: every part by its own [`Stateful`].

use trainability_baselines::{State, StateError, Stateful};
use trainability_record::LayerEvents;

use super::Run;

impl Stateful for Run {
    fn save(&self, state: &mut State) {
        state.put_part("stream", &self.stream);
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
        state.restore_part("stream", &mut self.stream)?;
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
        self.restore_place(state)?;
        self.restore_events(state)?;
        state.restore_part("summary", &mut self.summary)?;
        self.last_finite = state.numbers("last_finite")?.first().copied().unwrap_or(f64::NAN);
        Ok(())
    }
}

impl Run {
    /// How far the run came: a task and an update that there are, or the run would never end.
    fn restore_place(&mut self, state: &State) -> Result<(), StateError> {
        let lengths = self.stream.lengths();
        let task = state.count("task", lengths.tasks() as u64)? as usize;
        let last = if lengths.tasks() == task { 0 } else { lengths.updates_of(task).saturating_sub(1) };
        let update_in_task = state.count("update_in_task", last)?;
        let update = lengths.updates_before(task) + update_in_task;
        let found = state.count("update", u64::MAX)?;
        if found != update {
            let expected = format!("{update}, which task and update_in_task make");
            return Err(StateError::Mismatch { name: "update".to_owned(), found: found.to_string(), expected });
        }
        // A task's content is drawn at its first update.
        let place = match update_in_task {
            0 => (task, task.checked_sub(1).map_or(0, |before| lengths.updates_of(before))),
            made => (task + 1, made),
        };
        let (begun, given) = self.stream.place();
        let pairs = [("begun", begun as u64, place.0 as u64), ("given", given, place.1)];
        if let Some((name, found, expected)) = pairs.into_iter().find(|(_, found, expected)| found != expected) {
            let expected = format!("{expected}, which task and update_in_task make");
            return Err(StateError::Mismatch { name: format!("stream/{name}"), found: found.to_string(), expected });
        }
        (self.task, self.update, self.update_in_task) = (task, update, update_in_task);
        Ok(())
    }

    /// What the schedule did to the layers that there are, at updates that were made.
    fn restore_events(&mut self, state: &State) -> Result<(), StateError> {
        let events: Vec<LayerEvents> = state.value("events")?;
        let known = |(event, own): (&LayerEvents, &LayerEvents)| {
            let counts = [event.cooled, event.warmed, event.held, event.undefined];
            event.layer == own.layer && counts.iter().all(|count| *count <= self.update)
        };
        if events.len() != self.events.len() || !events.iter().zip(&self.events).all(known) {
            return Err(StateError::Mismatch {
                name: "events".to_owned(),
                found: format!("{} entries of other layers or counts", events.len()),
                expected: "an entry a layer with no more events than updates".to_owned(),
            });
        }
        self.events = events;
        Ok(())
    }
}
