//! What surgery reaches of a learner.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::activation::Activation;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::surgery::{Network, Surgery};
use trainability_tensor::{Generator, Gradients, Layer, Role};

use super::initial_parameters::InitialParameters;
use super::learning::Learner;
use super::update::Task;
use crate::model::{CrossEntropy, Model, Pass, fresh_weight, gradients};
use crate::optimizer::Optimizer;
use crate::probe::Probe;
use crate::schedule::BoundEstimator;

/// The parts of a learner that an intervention looks at or changes.
pub(super) struct InTraining<'a> {
    pub(super) task: Task<'a>,
    pub(super) model: &'a mut dyn Model,
    pub(super) optimizer: &'a mut dyn Optimizer,
    pub(super) initialisation: &'a mut Generator,
    pub(super) initial: &'a mut InitialParameters,
    pub(super) generator: &'a mut Generator,
    pub(super) learning_rates: &'a [f64],
    pub(super) penalties: &'a mut [Box<dyn Penalty>],
    pub(super) probe: &'a mut Probe,
    pub(super) bounds: &'a mut [BoundEstimator],
}

impl Network for InTraining<'_> {
    fn initialise_parameters(&mut self) {
        self.model.initialise(self.initialisation);
        *self.initial = InitialParameters::of(self.model.layers());
        // What is remembered of the old network says nothing of the new one.
        self.penalties.iter_mut().for_each(|penalty| penalty.begin(self.model.layers()));
        self.bounds.iter_mut().for_each(BoundEstimator::clear);
        self.probe.clear();
    }

    fn clear_optimizer(&mut self) {
        self.optimizer.clear();
    }

    fn layers(&self) -> &[Layer] {
        self.model.layers()
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        self.model.layers_mut()
    }

    fn activation(&self) -> &dyn Activation {
        self.model.chain().expect("a learner checks that its model is a chain where surgery needs it").activation
    }

    fn hidden_activations(&self, samples: usize) -> Vec<Tensor> {
        let _guard = tch::no_grad_guard();
        let (inputs, _) = self.task.beginning(samples);
        let mut pass = Pass::evaluation();
        let _logits = self.model.forward(&inputs, &mut pass);
        let trace = pass.into_trace(self.model.layers());
        trace.into_iter().filter_map(|layer| layer.features).map(|features| features.detach()).collect()
    }

    fn draw_weights(&mut self, layer: usize, units: usize) -> Tensor {
        let layer = &self.model.layers()[layer];
        let mut sizes = layer.weight().size();
        sizes[0] = units as i64;
        fresh_weight(layer, &sizes, self.generator)
    }

    fn learning_rates(&self) -> &[f64] {
        self.learning_rates
    }

    fn training_gradients(&self, batch: usize, take: &mut dyn FnMut(&Gradients)) {
        let count = self.task.count();
        for first in (0..count).step_by(batch) {
            let (inputs, labels) = self.task.part(first, (count - first).min(batch as i64));
            let of_part = tch::with_grad(|| {
                let logits = self.model.forward(&inputs, &mut Pass::training().unfollowed());
                gradients(self.model.layers(), CrossEntropy::of(&logits, &labels).mean(), false)
            });
            take(&of_part);
        }
    }

    fn generator(&mut self) -> &mut ChaCha8Rng {
        &mut self.generator.0
    }

    fn restart_optimizer(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        self.optimizer.restart(layer, role, dimension, indices);
    }

    fn restart_normalization(&mut self, layer: usize, units: &[i64]) {
        self.model.restart_units(layer, units);
    }
}

impl Learner {
    /// Lets every surgery of the method at the learner, in the order in which they were named.
    pub(super) fn intervene(&mut self, task: Task, mut hook: impl FnMut(&mut dyn Surgery, &mut dyn Network)) {
        let mut network = InTraining {
            task,
            model: self.model.as_mut(),
            optimizer: self.optimizer.as_mut(),
            initialisation: &mut self.initialisation,
            initial: &mut self.initial,
            generator: &mut self.surgery_generator,
            learning_rates: self.schedule.learning_rates(),
            penalties: &mut self.penalties,
            probe: &mut self.probe,
            bounds: &mut self.bounds,
        };
        for surgery in &mut self.surgeries {
            hook(surgery.as_mut(), &mut network);
        }
    }

    /// Lets surgery act before a task's first update; `index` counts tasks from 0.
    pub(crate) fn begin_task(&mut self, index: usize, task: Task) {
        self.intervene(task, |surgery, network| surgery.at_task_start(index, network));
    }
}
