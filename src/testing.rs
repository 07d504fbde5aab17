//! What the tests of several rooms have in common.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::LayerTrace;
use trainability_tensor::lanczos::{Extremes, LanczosOptions};

use crate::model::{Model, Pass};
use crate::optimizer::{Sgd, SgdOptions};
use crate::probe::{UpdateView, curvature};

pub(crate) mod convolutional;
pub(crate) mod networks;
pub(crate) mod normalised;
pub(crate) mod plain_indicators;
pub(crate) mod runs;
pub(crate) mod schedules;

/// The logits of a batch, and what the layers left behind in the pass, with their graph.
pub(crate) fn traced(model: &dyn Model, inputs: &Tensor, mut pass: Pass) -> (Tensor, Vec<LayerTrace>) {
    let logits = model.forward(inputs, &mut pass);
    (logits, pass.into_trace(model.layers()))
}

/// The ends of every layer's Hessian block on a batch, as the probe finds them from the trace of its pass.
pub(crate) fn layer_curvatures(
    model: &dyn Model,
    (inputs, labels): (&Tensor, &Tensor),
    trace: &[LayerTrace],
    penalties: &[Box<dyn Penalty>],
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    // Curvature has no need of gradients, of deltas or of an optimizer.
    let none = Vec::new();
    let view = UpdateView {
        model,
        inputs,
        labels,
        trace,
        deltas: &[],
        cross_entropy_gradients: &none,
        total_gradients: &none,
        optimizer: &Sgd::new(SgdOptions::default(), WeightDecay::None, &[]),
        learning_rates: &[],
        penalties,
    };
    curvature::layer_curvatures(&view, options, generator)
}
