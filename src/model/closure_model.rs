//! A network that a closure describes.

use std::fmt;

use tch::{Tensor, no_grad};
use trainability_tensor::{Generator, Layer, State, StateError};

use super::definition::Model;
use super::initialisation::initialise;
use super::pass::{Found, Pass};

/// A network whose forward pass is a closure, over layers of `tch::nn` or of ours. What layers there are is seen in a first pass.
pub struct ClosureModel<F> {
    forward: F,
    found: Found,
}

impl<F: Fn(&Tensor, &mut Pass) -> Tensor + Send> ClosureModel<F> {
    /// From `forward`, which takes a batch (B x ..) to logits (B x classes) and sends it through its layers by the pass's own
    /// methods, such as [`Pass::nn_linear`]; `example` is a batch that it is tried on. The layers keep the values that they have, and
    /// are trained in place: whoever else holds them sees them change.
    ///
    /// Every pass has to go through the same layers. What does not go through the pass is not trained.
    ///
    /// # Panics
    /// No layer goes through the pass; two have one name, or one weight has two.
    pub fn new(forward: F, example: &Tensor) -> ClosureModel<F> {
        let mut pass = Pass::of_discovery();
        let _logits = no_grad(|| forward(example, &mut pass));
        let known = pass.found.as_ref().is_some_and(|found| !found.layers.is_empty());
        assert!(known, "no layer goes through the pass, expected one at least, such as by Pass::nn_linear");
        ClosureModel { forward, found: pass.found.take().expect("a pass of discovery finds layers") }
    }
}

impl<F> fmt::Debug for ClosureModel<F> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("ClosureModel").field("found", &self.found).finish_non_exhaustive()
    }
}

impl<F: Fn(&Tensor, &mut Pass) -> Tensor + Send> Model for ClosureModel<F> {
    fn layers(&self) -> &[Layer] {
        &self.found.layers
    }

    fn layers_mut(&mut self) -> &mut [Layer] {
        &mut self.found.layers
    }

    fn forward(&self, inputs: &Tensor, pass: &mut Pass) -> Tensor {
        (self.forward)(inputs, pass)
    }

    fn initialise(&mut self, generator: &mut Generator) {
        initialise(&mut self.found.layers, generator);
        for (name, values) in &mut self.found.buffers {
            let _ = no_grad(|| values.fill_(f64::from(u8::from(name.ends_with("running_var")))));
        }
    }

    fn save(&self, state: &mut State) {
        let parameters = self.found.layers.iter().flat_map(|layer| &layer.parameters);
        parameters.for_each(|parameter| state.put_tensor(&parameter.name, &parameter.value));
        self.found.buffers.iter().for_each(|(name, values)| state.put_tensor(name, values));
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        for parameter in self.found.layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
            state.copy_into(&parameter.name, &mut parameter.value)?;
        }
        self.found.buffers.iter_mut().try_for_each(|(name, values)| state.copy_into(name, values))
    }
}
