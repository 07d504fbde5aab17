//! Extreme eigenvalues of each layer's Hessian block, by the cheapest exact form that the network allows.

use rand_chacha::ChaCha8Rng;
use tch::Tensor;
use trainability_baselines::LayerTrace;
use trainability_baselines::lanczos::{Eigenvalue, Ends, Extremes, LanczosOptions, extreme_eigenvalues};
use trainability_baselines::penalty::Penalty;

use super::gauss_newton::{ParameterSide, SampleSide, logit_factors};
use super::hessian::Hessian;
use crate::network::Network;

/// Largest and smallest eigenvalue of every layer's block of the Hessian of the total loss on a batch.
pub fn layer_curvatures(
    network: &Network,
    trace: &[LayerTrace],
    labels: &Tensor,
    penalties: &[Box<dyn Penalty>],
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    let shift: Option<f64> = penalties.iter().map(|penalty| penalty.isotropic_curvature()).sum();
    match shift {
        Some(shift) if network.activation().piecewise_linear() => {
            // A guard and not a closure: it is undone if something inside panics, and the thread goes on with other runs.
            let _guard = tch::no_grad_guard();
            gauss_newton_curvatures(network, trace, shift, options, generator)
        }
        _ => (0..network.layers.len())
            .map(|layer| {
                let hessian = Hessian::of_layer(network, layer, &trace[0].input, labels, penalties);
                extreme_eigenvalues(&hessian, Ends::Both, options, generator)
            })
            .collect(),
    }
}

fn gauss_newton_curvatures(
    network: &Network,
    trace: &[LayerTrace],
    shift: f64,
    options: LanczosOptions,
    generator: &mut ChaCha8Rng,
) -> Vec<Extremes> {
    let factors = logit_factors(network, trace);
    let blocks = trace.iter().zip(&factors).zip(&network.layers).map(|((layer, factor), parameters)| {
        let (samples, classes, _) = factor.size3().expect("B x C x out");
        let found = if parameters.count() as i64 > samples * classes {
            let operator = SampleSide::new(&layer.input, factor);
            let found = extreme_eigenvalues(&operator, Ends::Largest, options, generator);
            // More parameters than rows: the block is singular and positive semidefinite.
            Extremes { smallest: Eigenvalue { value: 0.0, residual: 0.0 }, ..found }
        } else {
            extreme_eigenvalues(&ParameterSide::new(&layer.input, factor), Ends::Both, options, generator)
        };
        found.shifted(shift)
    });
    blocks.collect()
}
