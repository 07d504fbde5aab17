//! The proxy for the rank of the Hessian that produced the figures of arXiv 2509.19698.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;
use trainability_tensor::layer::{LayerDelta, LayerTrace};
use trainability_tensor::sample_gradients;

/// See the definition.
pub(crate) struct HessianRank;

impl Indicator for HessianRank {
    fn definition(&self) -> Definition {
        Definition {
            name: "hessian_rank",
            title: "Hessian rank (Fisher proxy)",
            role: IndicatorRole::Rejected,
            loss_follows: Some(Level::Low),
            text: "share of at most 100 per-sample gradients whose Gram matrix's leading singular values reach 99 % of their sum, at the start of the task after relabelling: a proxy by the empirical Fisher matrix, not the rank of the Hessian",
        }
    }

    fn when(&self) -> When {
        When::TaskStart
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        fisher_rank(observation.trace, observation.deltas?)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for HessianRank {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let (trace, deltas) = (observation.trace.get(index..=index)?, observation.deltas?.get(index..=index)?);
        fisher_rank(trace, deltas)
    }
}

/// Samples that the proxy looks at.
const SAMPLES: i64 = 100;
/// The share of the spectrum that has to be reached.
const MASS: f64 = 0.99;

/// docs/method.md, equation (34).
///
/// Smallest number of leading singular values of G G^T that reach 99 % of their sum, over the number of samples m; G
/// holds the first m per-sample gradients, m x P. Undefined where single samples have no gradient, all gradients vanish or
/// their products overflow.
///
/// G as a whole is never formed: each layer adds its own products to the entry i, j ([`sample_gradients::gram`]).
pub fn fisher_rank(trace: &[LayerTrace], deltas: &[Option<LayerDelta>]) -> Option<f64> {
    let deltas: Vec<&LayerDelta> = deltas.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let samples = deltas.first()?.pre_activation.size()[0].min(SAMPLES);
    let grams = trace.iter().zip(deltas).map(|(layer, delta)| sample_gradients::gram(layer, delta, samples));
    // The Gram matrix is positive semidefinite, so its singular values are its eigenvalues up to rounding.
    let gram = grams.sum::<Tensor>();
    // The decomposition fails on numbers that are not finite.
    if gram.isfinite().all().int64_value(&[]) == 0 {
        return None;
    }
    let spectrum = gram.linalg_eigvalsh("L").abs().sort(0, true).0;
    let total = spectrum.sum(Kind::Double).double_value(&[]);
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let below = spectrum.cumsum(0, Kind::Double).lt(MASS * total).sum(Kind::Int64).int64_value(&[]);
    Some((below + 1) as f64 / samples as f64)
}
