//! The ends of every layer's spectrum on a batch.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::LayerTrace;
use trainability_tensor::lanczos::{Extremes, LanczosOptions};

use crate::model::Model;
use crate::optimizer::{Sgd, SgdOptions};
use crate::probe::UpdateView;
use crate::probe::curvature::layer_curvatures;
use crate::testing::networks::traced;

/// The largest and the smallest eigenvalue of every layer's Hessian block, from starts that are drawn by that seed. Gradients
/// and optimizer have no part in it.
pub fn curvatures(
    model: &dyn Model,
    inputs: &Tensor,
    labels: &Tensor,
    penalties: &[Box<dyn Penalty>],
    options: LanczosOptions,
    seed: u64,
) -> Vec<Extremes> {
    let trace: Vec<LayerTrace> = traced(model, inputs).iter().map(LayerTrace::detach).collect();
    let view = UpdateView {
        model,
        inputs,
        labels,
        trace: &trace,
        deltas: &[],
        cross_entropy_gradients: &Vec::new(),
        total_gradients: &Vec::new(),
        optimizer: &Sgd::new(SgdOptions::default(), WeightDecay::None, &[]),
        learning_rates: &[],
        penalties,
    };
    layer_curvatures(&view, options, &mut ChaCha8Rng::seed_from_u64(seed))
}
