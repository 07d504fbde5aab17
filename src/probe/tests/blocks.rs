//! The ends of every layer's spectrum on a batch.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::penalty::Penalty;
use trainability_tensor::LayerTrace;
use trainability_tensor::lanczos::{Extremes, LanczosOptions};

use crate::model::Model;
use crate::testing::layer_curvatures;
use crate::testing::networks::traced;

/// The largest and the smallest eigenvalue of every layer's Hessian block, from starts that are drawn by that seed.
pub(super) fn curvatures(
    model: &dyn Model,
    images: &Tensor,
    labels: &Tensor,
    penalties: &[Box<dyn Penalty>],
    options: LanczosOptions,
    seed: u64,
) -> Vec<Extremes> {
    let trace: Vec<LayerTrace> = traced(model, images).iter().map(LayerTrace::detach).collect();
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    layer_curvatures(model, (images, labels), &trace, penalties, options, &mut generator)
}
