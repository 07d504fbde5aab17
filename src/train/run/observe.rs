//! What a run looks at beside its updates: indicators, and the whole task at its end.

use std::time::Instant;

use tch::no_grad_guard;
use trainability_baselines::indicator::{INDICATORS, LayerGradient, Observation, Shared, UpdateSummary, When};
use trainability_baselines::lanczos::SymmetricOperator;
use trainability_baselines::{LayerDelta, LayerTrace};

use super::Run;
use crate::network::{Network, correct, cross_entropy, logits};
use crate::probe::hessian::Hessian;

/// Images that are evaluated at once at a task's end, which bounds the memory.
pub(crate) const EVALUATION_CHUNK: i64 = 4096;

impl Run {
    pub(super) fn read_measured_indicators(
        &mut self,
        trace: &[LayerTrace],
        deltas: &[Option<LayerDelta>],
        gradients: &[LayerGradient],
        update: Option<UpdateSummary>,
    ) {
        let observation = Observation {
            layers: &self.network.layers,
            activation: self.network.activation(),
            trace,
            deltas: Some(deltas),
            gradients: Some(gradients),
            update,
            hessian: None,
            lanczos: self.lanczos,
            spectrum: self.spectrum,
            shared: Shared::default(),
        };
        for indicator in INDICATORS.iter().filter(|indicator| indicator.when() == When::MeasuredUpdate) {
            self.summary.add_indicator(*indicator, indicator.measure(&observation, &mut self.indicator_generator.0));
        }
    }

    /// Reads the indicators of a task's start or end on the probe batch.
    pub(super) fn read_indicators(&mut self, when: When) {
        let start = Instant::now();
        let labels = self.stream.labels().narrow(0, 0, self.probe_images.size()[0]);
        let graph = self.network.forward(&self.probe_images);
        let loss = cross_entropy(logits(&graph), &labels);
        let deltas = (when == When::TaskStart).then(|| Network::deltas(&graph, &loss));
        let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
        drop((graph, loss));
        let hessian = (when == When::TaskEnd)
            .then(|| Hessian::of_network(&self.network, &self.probe_images, &labels, &self.penalties));
        let observation = Observation {
            layers: &self.network.layers,
            activation: self.network.activation(),
            trace: &trace,
            deltas: deltas.as_deref(),
            gradients: None,
            update: None,
            hessian: hessian.as_ref().map(|hessian| hessian as &dyn SymmetricOperator),
            lanczos: self.lanczos,
            spectrum: self.spectrum,
            shared: Shared::default(),
        };
        for indicator in INDICATORS.iter().filter(|indicator| indicator.when() == when) {
            self.summary.add_indicator(*indicator, indicator.measure(&observation, &mut self.indicator_generator.0));
        }
        self.count_seconds("indicators", start);
    }

    /// Accuracy and mean cross-entropy over the task's whole training set.
    pub(super) fn evaluate(&mut self) -> (f64, f64) {
        let start = Instant::now();
        let (images, labels) = (self.stream.images(), self.stream.labels());
        let count = images.size()[0];
        let (mut hits, mut loss) = (0, 0.0);
        let guard = no_grad_guard();
        for first in (0..count).step_by(EVALUATION_CHUNK as usize) {
            let length = EVALUATION_CHUNK.min(count - first);
            let labels = labels.narrow(0, first, length);
            let trace = self.network.forward(&images.narrow(0, first, length));
            hits += correct(logits(&trace), &labels);
            loss += cross_entropy(logits(&trace), &labels).double_value(&[]) * length as f64;
        }
        drop(guard);
        self.count_seconds("forward_backward", start);
        (hits as f64 / count as f64, loss / count as f64)
    }
}
