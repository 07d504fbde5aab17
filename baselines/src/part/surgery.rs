//! Surgery: interventions on the weights and on the optimizer between updates.

use std::fmt::Debug;

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_tensor::{Gradients, Layer, Role, Stateful};

use super::activation::Activation;

/// A network in training, as far as surgery may look at it and change it. Layers are counted from 0; all but the last are hidden.
pub trait Network {
    /// Draws all parameters anew from the run's initialisation.
    fn initialise_parameters(&mut self);

    /// Puts the optimizer back to its state before the first update, moments and step count.
    fn clear_optimizer(&mut self);

    /// The parameters.
    fn layers(&self) -> &[Layer];

    /// The parameters, leaves of the graph: to be written to where gradients are off.
    fn layers_mut(&mut self) -> &mut [Layer];

    /// What stands between the layers.
    fn activation(&self) -> &dyn Activation;

    /// What each hidden layer passes on, after its activation, on the task's first images: as it goes into the next
    /// layer, samples x features (of a convolution's planes, samples x features x height x width or those in one
    /// dimension), without graph, for at most `samples` images.
    fn hidden_activations(&self, samples: usize) -> Vec<Tensor>;

    /// Weights of `units` units of a layer (units x in, or units x in x 3 x 3), drawn from the layer's initial distribution
    /// by surgery's own generator.
    fn draw_weights(&mut self, layer: usize, units: usize) -> Tensor;

    /// The learning rate of each layer, as the schedule has it.
    fn learning_rates(&self) -> &[f64];

    /// The gradient of the mean cross-entropy over each part of the task's training set, `batch` images at a time in their
    /// order; the last part may be smaller.
    fn training_gradients(&self, batch: usize, take: &mut dyn FnMut(&Gradients));

    /// Surgery's own generator: what it draws shifts nobody else's numbers.
    fn generator(&mut self) -> &mut ChaCha8Rng;

    /// Puts the optimizer back to its state before the first update for a part of one parameter tensor: the entries at
    /// `indices` along `dimension`, moments and step count.
    fn restart_optimizer(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]);

    /// Forgets what the normalisation knows of some units of a hidden layer, if there is one that remembers.
    fn restart_normalization(&mut self, layer: usize, units: &[i64]);
}

/// What a surgery does, which decides with what it can be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Moves all parameters.
    Perturbation,
    /// Replaces single units.
    Replacement,
    /// Starts over.
    Reset,
}

/// An intervention; every hook does nothing unless it is overridden.
pub trait Surgery: Stateful + Debug + Send {
    /// The name in configurations.
    fn name(&self) -> &'static str;

    /// What it does.
    fn intervention(&self) -> Intervention;

    /// Whether it has to know which weights a unit's output enters, as in a chain of layers.
    fn needs_chain(&self) -> bool {
        self.intervention() == Intervention::Replacement
    }

    /// Looks at the initial parameters, once, before the first update.
    fn begin(&mut self, _layers: &[Layer]) {}

    /// Called before the first update of each task, the first task (0) included.
    fn at_task_start(&mut self, _task: usize, _network: &mut dyn Network) {}

    /// Whether it is called before the optimizer's steps.
    fn looks_before_steps(&self) -> bool {
        false
    }

    /// Called before the optimizer's step of each update, with the gradient that it takes, where it
    /// [looks before steps](Surgery::looks_before_steps).
    fn before_step(&mut self, _gradients: &Gradients, _network: &mut dyn Network) {}

    /// Called after each update, `update` being its number, counted from 1 over the run. `activations` is what each
    /// hidden layer passed on in the update's forward pass, as [`Network::hidden_activations`] has it, before the step.
    fn after_update(&mut self, _update: u64, _activations: &[Tensor], _network: &mut dyn Network) {}
}
