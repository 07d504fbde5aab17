//! Networks, penalties and traces in few words, and what an optimizer remembers.

use tch::{Device, Kind, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::part::Contribution;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::registry::part;
use trainability_tensor::lanczos::SymmetricOperator;
use trainability_tensor::{Generator, Layer, LayerTrace, State};

use crate::model::{Chain, Model, Pass, Shape};
use crate::optimizer::Optimizer;

/// A network on the CPU, without normalisation.
pub(crate) fn chain(shape: Shape, activation: Box<dyn Activation>, generator: &mut Generator) -> Chain {
    Chain::new(shape, activation, Device::Cpu, generator)
}

/// What a pass leaves in each layer of a network in use, with its graph.
pub(crate) fn traced(model: &dyn Model, images: &Tensor) -> Vec<LayerTrace> {
    super::traced(model, images, Pass::evaluation()).1
}

/// The logits of the pass that left this trace.
pub(crate) fn logits(trace: &[LayerTrace]) -> &Tensor {
    &trace.last().expect("a network has an output layer").pre_activation
}

/// Adds uniform noise between -bound and bound to every parameter.
pub(crate) fn disturb(layers: &mut [Layer], bound: f64, generator: &mut Generator) {
    for parameter in layers.iter_mut().flat_map(|layer| &mut layer.parameters) {
        let noise = generator.uniform(&parameter.value.size(), bound, parameter.value.kind());
        tch::no_grad(|| drop(parameter.value.g_add_(&noise)));
    }
}

/// A penalty that has seen these layers.
pub(crate) fn penalty(name: &str, coefficient: f64, layers: &[Layer]) -> Box<dyn Penalty> {
    let options = serde_json::json!({ "coefficient": coefficient });
    let (contribution, _) = part(name).unwrap().build(options).unwrap();
    let Contribution::Penalty(mut penalty) = contribution else { panic!("{name} is no penalty") };
    penalty.begin(layers);
    penalty
}

/// Adam's memory of one parameter, as it is saved.
pub(crate) struct Moments {
    pub(crate) first: Tensor,
    pub(crate) second: Tensor,
    pub(crate) restarts: Option<Tensor>,
}

/// The same for every parameter of each layer.
pub(crate) fn moments(adam: &dyn Optimizer, layers: &[Layer]) -> Vec<Vec<Moments>> {
    let mut state = State::default();
    adam.save(&mut state);
    let saved = |name: &str, what: &str| state.tensors.get(&format!("{name}.{what}")).map(Tensor::shallow_clone);
    let of = |name: &str| Moments {
        first: saved(name, "exp_avg").unwrap(),
        second: saved(name, "exp_avg_sq").unwrap(),
        restarts: saved(name, "restarts"),
    };
    layers.iter().map(|layer| layer.parameters.iter().map(|parameter| of(&parameter.name)).collect()).collect()
}

/// Every entry in f64, row by row.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// The matrix of an operator, column by column.
pub(crate) fn matrix(operator: &dyn SymmetricOperator) -> Tensor {
    let identity = Tensor::eye(operator.size(), operator.options());
    Tensor::stack(&(0..operator.size()).map(|i| operator.apply(&identity.get(i))).collect::<Vec<_>>(), 1)
}
