//! How an indicator is read from what a test gives it to see.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};
use trainability_baselines::activation::Activation;
use trainability_baselines::indicator::{Indicator, Observation, Shared};
use trainability_baselines::registry::INDICATORS;
use trainability_tensor::lanczos::LanczosOptions;
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{LayerTrace, LinearMap};

pub(crate) fn indicator(name: &str) -> &'static dyn Indicator {
    *INDICATORS.iter().find(|indicator| indicator.definition().name == name).unwrap()
}

pub(crate) fn measure(name: &str, observation: &Observation) -> Option<f64> {
    indicator(name).measure(observation, &mut ChaCha8Rng::seed_from_u64(1))
}

/// Lanczos to the last digit.
pub(crate) fn exact() -> LanczosOptions {
    LanczosOptions { products: 400, tolerance: 1e-12 }
}

/// Of activations alone: everything that can be missing is.
pub(crate) fn bare(trace: &[LayerTrace]) -> Observation<'_> {
    Observation {
        layers: &[],
        trace,
        deltas: None,
        gradients: None,
        update: None,
        losses: None,
        initial: None,
        tangent_kernels: None,
        hessian: None,
        lanczos: exact(),
        spectrum: SpectrumOptions { starts: 1, products: 400 },
        shared: Shared::default(),
    }
}

/// A dense hidden layer whose pre-activation (B x units) is this.
pub(crate) fn hidden(pre_activation: Tensor, activation: &dyn Activation) -> LayerTrace {
    LayerTrace { features: Some(activation.forward(&pre_activation, LinearMap::Dense)), ..output(pre_activation) }
}

/// A dense output layer whose logits (B x classes) are these.
pub(crate) fn output(logits: Tensor) -> LayerTrace {
    let input = Tensor::ones([logits.size()[0], 1], (logits.kind(), Device::Cpu));
    LayerTrace::new(LinearMap::Dense, true, input, logits)
}
