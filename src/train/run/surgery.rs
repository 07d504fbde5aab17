//! What surgery reaches of a run.

use trainability_baselines::penalty::Penalty;
use trainability_baselines::surgery::Subject;

use crate::network::Network;
use crate::optimizer::Adam;
use crate::probe::Probe;
use crate::random::Generator;
use crate::schedule::BoundEstimator;

/// The parts of a run that an intervention changes.
pub(super) struct Patient<'a> {
    pub(super) network: &'a mut Network,
    pub(super) optimizer: &'a mut Adam,
    pub(super) initialisation: &'a mut Generator,
    pub(super) penalties: &'a mut [Box<dyn Penalty>],
    pub(super) probe: &'a mut Probe,
    pub(super) bounds: &'a mut [BoundEstimator],
}

impl Subject for Patient<'_> {
    fn initialise_parameters(&mut self) {
        self.network.initialise(self.initialisation);
        // What is remembered of the old network says nothing of the new one.
        self.penalties.iter_mut().for_each(|penalty| penalty.begin(&self.network.layers));
        self.bounds.iter_mut().for_each(BoundEstimator::clear);
        self.probe.clear();
    }

    fn clear_optimizer(&mut self) {
        self.optimizer.clear();
    }
}
