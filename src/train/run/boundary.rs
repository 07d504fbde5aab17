//! A learner that is told when a task begins.

use std::fmt;

use super::Run;
use crate::schedule::{BoundEstimator, Factory, Start};

/// What a learner that is told of boundaries begins anew with.
pub(super) struct Announced {
    pub(super) factory: Factory,
    pub(super) start: Start,
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Announced").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Run {
    /// Tells the learner that a task begins, if it is to know: of what it remembers, the weights alone stay.
    pub(super) fn announce_task(&mut self) {
        let Some(Announced { factory, start }) = self.announced.as_ref().filter(|_| self.task > 0) else { return };
        self.schedule = factory(*start);
        self.optimizer.clear();
        self.bounds.iter_mut().for_each(BoundEstimator::clear);
        self.probe.clear();
    }
}
