//! What surgery reaches of a run.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::LayerParameters;
use trainability_baselines::activation::Activation;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::surgery::{Subject, Surgery};

use super::Run;
use crate::network::{Network, kaiming_uniform};
use crate::optimizer::Adam;
use crate::probe::Probe;
use crate::random::Generator;
use crate::schedule::BoundEstimator;
use crate::stream::Stream;

#[cfg(test)]
mod tests;

/// The parts of a run that an intervention looks at or changes.
pub(super) struct Patient<'a> {
    pub(super) stream: &'a Stream,
    pub(super) network: &'a mut Network,
    pub(super) optimizer: &'a mut Adam,
    pub(super) initialisation: &'a mut Generator,
    pub(super) generator: &'a mut Generator,
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

    fn layers(&self) -> &[LayerParameters] {
        &self.network.layers
    }

    fn layers_mut(&mut self) -> &mut [LayerParameters] {
        &mut self.network.layers
    }

    fn activation(&self) -> &dyn Activation {
        self.network.activation()
    }

    fn hidden_activations(&self, samples: usize) -> Vec<Tensor> {
        let _guard = tch::no_grad_guard();
        let images = self.stream.images();
        let count = images.size()[0].min(samples as i64);
        let trace = self.network.forward(&images.narrow(0, 0, count));
        trace[1..].iter().map(|layer| layer.input.detach()).collect()
    }

    fn draw_weights(&mut self, layer: usize, units: usize) -> Tensor {
        let weight = self.network.layers[layer].weight();
        let mut sizes = weight.size();
        sizes[0] = units as i64;
        kaiming_uniform(&sizes, weight.kind(), self.generator)
    }

    fn generator(&mut self) -> &mut ChaCha8Rng {
        &mut self.generator.0
    }

    fn restart_optimizer(&mut self, layer: usize, parameter: usize, dimension: i64, indices: &[i64]) {
        self.optimizer.restart(layer, parameter, dimension, indices);
    }

    fn restart_normalization(&mut self, layer: usize, units: &[i64]) {
        self.network.restart_normalization(layer, units);
    }
}

impl Run {
    /// Lets every surgery of the method at the run, in the order in which they were named.
    pub(super) fn operate(&mut self, mut hook: impl FnMut(&mut dyn Surgery, &mut dyn Subject)) {
        if self.surgeries.is_empty() {
            return;
        }
        let start = Instant::now();
        let mut subject = Patient {
            stream: &self.stream,
            network: &mut self.network,
            optimizer: &mut self.optimizer,
            initialisation: &mut self.initialisation,
            generator: &mut self.surgery_generator,
            penalties: &mut self.penalties,
            probe: &mut self.probe,
            bounds: &mut self.bounds,
        };
        for surgery in &mut self.surgeries {
            hook(surgery.as_mut(), &mut subject);
        }
        self.count_seconds("surgery", start);
    }
}
