//! The parameters with which training began.

use trainability_tensor::{Layer, State, StateError, Stateful};

/// Copies of a network's layers at the learner's beginning, or at its last reset.
#[derive(Debug)]
pub(super) struct InitialParameters(Vec<Layer>);

impl InitialParameters {
    /// Those that the layers have now.
    pub(super) fn of(layers: &[Layer]) -> InitialParameters {
        InitialParameters(layers.iter().map(Layer::copy).collect())
    }

    /// The copies, in the order of the network's layers.
    pub(super) fn layers(&self) -> &[Layer] {
        &self.0
    }
}

impl Stateful for InitialParameters {
    fn save(&self, state: &mut State) {
        for parameter in self.0.iter().flat_map(|layer| &layer.parameters) {
            state.put_tensor(&parameter.name, &parameter.value);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        let mut parameters = self.0.iter_mut().flat_map(|layer| &mut layer.parameters);
        parameters.try_for_each(|parameter| state.copy_into(&parameter.name, &mut parameter.value))
    }
}
