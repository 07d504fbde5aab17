//! A network's parameters, and what surgery remembers of them, one tensor each.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::Tensor;
use trainability_tensor::layer::{Layer, LinearMap, tensors};
use trainability_tensor::state::{State, StateError};

/// Whether the layer's weight is a matrix or filters: no table, and no gains.
pub(crate) fn multiplies(layer: &Layer) -> bool {
    matches!(layer.map, LinearMap::Dense | LinearMap::Shared | LinearMap::Convolution(_))
}

/// A copy of every parameter.
pub(crate) fn copies(layers: &[Layer]) -> Vec<Tensor> {
    tensors(layers).map(|value| value.detach().copy()).collect()
}

/// Every parameter, to be written to where gradients are off.
pub(crate) fn parameters(layers: &mut [Layer]) -> impl Iterator<Item = &mut Tensor> {
    layers.iter_mut().flat_map(|layer| &mut layer.parameters).map(|parameter| &mut parameter.value)
}

/// Independent standard normal values in the shape, type and place of a tensor.
pub(crate) fn standard_normal(like: &Tensor, generator: &mut ChaCha8Rng) -> Tensor {
    let values: Vec<f64> = (0..like.numel()).map(|_| StandardNormal.sample(&mut *generator)).collect();
    Tensor::from_slice(&values).view(like.size().as_slice()).to_kind(like.kind()).to_device(like.device())
}

/// Writes down what is remembered of each parameter.
pub(crate) fn save(name: &str, remembered: &[Tensor], state: &mut State) {
    remembered.iter().enumerate().for_each(|(index, tensor)| state.put_tensor(&format!("{name}{index}"), tensor));
}

/// Takes back what [`save`] wrote.
///
/// # Errors
/// A tensor is missing, or of another shape or type.
pub(crate) fn restore(name: &str, remembered: &mut [Tensor], state: &State) -> Result<(), StateError> {
    let mut all = remembered.iter_mut().enumerate();
    all.try_for_each(|(index, tensor)| state.copy_into(&format!("{name}{index}"), tensor))
}
