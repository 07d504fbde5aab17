//! What a learner looks at beside its updates: indicators, and how well it does on a whole set.

use tch::{Tensor, no_grad_guard};
use trainability_baselines::indicator::{LayerGradient, Observation, Shared, UpdateSummary, When};
use trainability_baselines::registry::INDICATORS;
use trainability_tensor::lanczos::SymmetricOperator;
use trainability_tensor::{LayerDelta, LayerTrace};

use super::learning::Learner;
use super::update::Task;
use crate::model::{Pass, correct, cross_entropy, deltas};
use crate::probe::hessian::Hessian;
use crate::probe::tangent_kernel::tangent_kernels;

/// Inputs that are evaluated at once, which bounds the memory.
pub(crate) const EVALUATION_CHUNK: i64 = 4096;

impl Learner {
    /// Reads the indicators of an update; `losses` are those of its minibatch, before and after.
    pub(super) fn read_measured_indicators(
        &mut self,
        trace: &[LayerTrace],
        deltas: &[Option<LayerDelta>],
        gradients: &[LayerGradient],
        update: Option<UpdateSummary>,
        losses: [f64; 2],
    ) -> Vec<(&'static str, Option<f64>)> {
        let observation = Observation {
            layers: self.model.layers(),
            trace,
            deltas: Some(deltas),
            gradients: Some(gradients),
            update,
            losses: Some(losses),
            initial: None,
            tangent_kernels: None,
            hessian: None,
            lanczos: self.measure.lanczos,
            spectrum: self.measure.spectrum,
            shared: Shared::default(),
        };
        let due = INDICATORS.iter().filter(|indicator| indicator.when() == When::MeasuredUpdate);
        let generator = &mut self.indicator_generator.0;
        due.map(|indicator| (indicator.definition().name, indicator.measure(&observation, generator))).collect()
    }

    /// Reads the indicators of a task's start or end on its first inputs, as many as `measure.probe_images` says.
    pub(crate) fn read_indicators(&mut self, when: When, task: Task) -> Vec<(&'static str, Option<f64>)> {
        let (inputs, labels) = task.beginning(self.measure.probe_images);
        let mut pass = Pass::evaluation();
        let loss = cross_entropy(&self.model.forward(&inputs, &mut pass), &labels);
        let graph = pass.into_trace(self.model.layers());
        let deltas = (when == When::TaskStart).then(|| deltas(&graph, &loss, labels.size()[0]));
        let trace: Vec<LayerTrace> = graph.iter().map(LayerTrace::detach).collect();
        drop((graph, loss));
        let ends = when == When::TaskEnd;
        // At a start the whole spectrum is all that is asked of it.
        let hessian = (ends || self.measure.spectrum.starts > 0)
            .then(|| Hessian::of(self.model.as_ref(), .., &inputs, &labels, &self.penalties));
        let tangent_kernels = ends.then(|| tangent_kernels(self.model.as_ref(), &inputs));
        let observation = Observation {
            layers: self.model.layers(),
            trace: &trace,
            deltas: deltas.as_deref(),
            gradients: None,
            update: None,
            losses: None,
            initial: Some(self.initial.layers()),
            tangent_kernels: tangent_kernels.as_deref(),
            hessian: hessian.as_ref().map(|hessian| hessian as &dyn SymmetricOperator),
            lanczos: self.measure.lanczos,
            spectrum: self.measure.spectrum,
            shared: Shared::default(),
        };
        let due = INDICATORS.iter().filter(|indicator| indicator.when() == when);
        let generator = if ends { &mut self.indicator_generator.0 } else { &mut self.start_generator.0 };
        due.map(|indicator| (indicator.definition().name, indicator.measure(&observation, generator))).collect()
    }

    /// The mean cross-entropy of a minibatch as an update sees it, with a normalisation over the minibatch.
    pub(super) fn loss_of(&self, inputs: &Tensor, labels: &Tensor) -> f64 {
        let _guard = no_grad_guard();
        let logits = self.model.forward(inputs, &mut Pass::training().without_trace());
        cross_entropy(&logits, labels).double_value(&[])
    }

    /// Accuracy and mean cross-entropy over `count` inputs and labels, some at a time: the first and how many are asked for.
    pub(crate) fn evaluate(&self, count: i64, part: impl Fn(i64, i64) -> (Tensor, Tensor)) -> (f64, f64) {
        let (mut hits, mut loss) = (0, 0.0);
        let _guard = no_grad_guard();
        for first in (0..count).step_by(EVALUATION_CHUNK as usize) {
            let length = EVALUATION_CHUNK.min(count - first);
            let (inputs, labels) = part(first, length);
            let logits = self.model.forward(&inputs, &mut Pass::evaluation().without_trace());
            hits += correct(&logits, &labels);
            loss += cross_entropy(&logits, &labels).double_value(&[]) * length as f64;
        }
        (hits as f64 / count as f64, loss / count as f64)
    }
}
