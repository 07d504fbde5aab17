//! Optimizers against other implementations of them, step for step, and what is asked of every one.

use tch::{Kind, Tensor};
use trainability_tensor::{Generator, Layer, LinearMap, Parameter};

use super::definition;

mod adam;
mod adamw;
mod beta_ramp;
mod muon;
mod pytorch;
mod registry;
mod rmsprop;
mod sgd;
pub(super) mod sign;

/// Two layers with random parameters.
fn layers(kind: Kind) -> Vec<Layer> {
    let mut generator = Generator::named("test", 4);
    let mut layer = |name: &str, out: i64, inputs: i64| {
        let [weight, bias] = [vec![out, inputs], vec![out]].map(|sizes| generator.uniform(&sizes, 1.0, kind));
        Layer::of(name, LinearMap::Dense, weight, bias)
    };
    vec![layer("fc1", 5, 7), layer("fc2", 3, 5)]
}

/// Random gradients of a step.
fn gradients(layers: &[Layer], step: u64) -> Vec<Vec<Tensor>> {
    let mut generator = Generator::named("gradients", step);
    let mut of = |p: &Parameter| generator.uniform(&p.value.size(), 2.0, p.value.kind());
    layers.iter().map(|layer| layer.parameters.iter().map(&mut of).collect()).collect()
}

/// Copies of all parameters.
fn values(layers: &[Layer]) -> Vec<Tensor> {
    layers.iter().flat_map(|layer| &layer.parameters).map(|p| p.value.detach().copy()).collect()
}
