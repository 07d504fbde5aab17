//! What a run looks at beside its updates: indicators, and the whole task at its end.

use std::time::Instant;

use tch::{Tensor, no_grad_guard};
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
        let images = self.stream.images().narrow(0, 0, self.probe_images);
        let labels = self.stream.labels().narrow(0, 0, self.probe_images);
        let graph = self.network.forward(&images);
        let loss = cross_entropy(logits(&graph), &labels);
        let deltas = (when == When::TaskStart).then(|| Network::deltas(&graph, &loss));
        let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
        drop((graph, loss));
        let hessian =
            (when == When::TaskEnd).then(|| Hessian::of_network(&self.network, &images, &labels, &self.penalties));
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
        let result = evaluate(&self.network, images.size()[0], |first, length| {
            (images.narrow(0, first, length), labels.narrow(0, first, length))
        });
        self.count_seconds("forward_backward", start);
        result
    }

    /// Accuracy on images that nobody trains on, as the task shows and names them; none where there are none, or where
    /// labels say nothing of other images.
    pub(super) fn test_accuracy(&mut self) -> Option<f64> {
        let start = Instant::now();
        let (held_out, content) = self.held_out.as_ref().zip(self.stream.content())?;
        let labels = content.labels_of_others(&held_out.classes)?;
        let (accuracy, _) = evaluate(&self.network, labels.size()[0], |first, length| {
            (content.show(&held_out.images.narrow(0, first, length)), labels.narrow(0, first, length))
        });
        self.count_seconds("forward_backward", start);
        Some(accuracy)
    }
}

/// Accuracy and mean cross-entropy over `count` images and labels, some at a time: the first and how many are asked for.
fn evaluate(network: &Network, count: i64, part: impl Fn(i64, i64) -> (Tensor, Tensor)) -> (f64, f64) {
    let (mut hits, mut loss) = (0, 0.0);
    let _guard = no_grad_guard();
    for first in (0..count).step_by(EVALUATION_CHUNK as usize) {
        let length = EVALUATION_CHUNK.min(count - first);
        let (images, labels) = part(first, length);
        let trace = network.forward(&images);
        hits += correct(logits(&trace), &labels);
        loss += cross_entropy(logits(&trace), &labels).double_value(&[]) * length as f64;
    }
    (hits as f64 / count as f64, loss / count as f64)
}
