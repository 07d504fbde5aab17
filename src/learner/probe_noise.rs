//! Gradient noise by the samples of the probe batch, for minibatches that tell too little of it: of one sample nothing.

use super::learning::Learner;
use super::update::Task;
use crate::model::{Pass, cross_entropy, deltas, gradients};
use crate::probe::noise::{NoiseSamples, noise_variance};
use crate::probe::{LayerStatistics, why_undefined};

impl Learner {
    /// Whether all that is measured of an update is of its own minibatch.
    pub(crate) fn measures_minibatch(&self) -> bool {
        self.measure.noise == NoiseSamples::Minibatch
    }

    /// Puts, in the place of what was found of the minibatch, the variance of the gradients of the task's first
    /// `measure.probe_images` images, at the parameters as they are (docs/method.md, section 2.1). The network passes them on as
    /// it is used, so that nothing that it remembers of updates changes.
    pub(super) fn take_noise_of_probe(&self, task: Task, statistics: &mut [LayerStatistics]) {
        let (inputs, labels) = task.beginning(self.measure.probe_images);
        let samples = labels.size()[0];
        let layers = self.model.layers();
        let mut pass = Pass::evaluation();
        let loss = cross_entropy(&self.model.forward(&inputs, &mut pass), &labels);
        let graph = pass.into_trace(layers);
        let mean = gradients(layers, &loss, true);
        let deltas = deltas(&graph, &loss, samples);
        for (index, layer) in statistics.iter_mut().enumerate() {
            let (trace, delta) = (graph[index].detach(), deltas[index].as_ref());
            layer.noise_samples = samples as usize;
            layer.noise_undefined = why_undefined(&trace, delta, layer.noise_samples);
            let defined = delta.filter(|_| layer.noise_undefined.is_none());
            layer.noise_variance = defined.map(|delta| noise_variance(&trace, delta, &mean[index]));
        }
    }
}
