//! How strong the gradient is, discounted by how little a minibatch of it can be relied on.

use rand_chacha::ChaCha8Rng;

use super::definition::{Definition, IndicatorRole, Level};
use super::measurement::{Indicator, Layerwise, When};
use super::observation::Observation;

/// See the definition.
pub(crate) struct GradientConfidence;

impl Indicator for GradientConfidence {
    fn definition(&self) -> Definition {
        Definition {
            name: "gradient_confidence",
            title: "gradient confidence",
            role: IndicatorRole::Compared,
            loss_follows: Some(Level::Low),
            text: "strength times reliability of the minibatch gradient, |g| |g|^2 / (|g|^2 + sigma2 / B) over all parameters, mean over the measured updates of the task: this project's reading of what arXiv 2605.09044 calls optimization readiness",
        }
    }

    fn when(&self) -> When {
        When::MeasuredUpdate
    }

    fn measure(&self, observation: &Observation, _generator: &mut ChaCha8Rng) -> Option<f64> {
        let layers = observation.gradients?;
        // Layers are blocks of one gradient, whose variances add up.
        let noise_variance: Option<f64> = layers.iter().map(|layer| layer.noise_variance).sum();
        confidence(layers.iter().map(|layer| layer.sq_norm).sum(), noise_variance?, observation.samples()?)
    }

    fn layerwise(&self) -> Option<&dyn Layerwise> {
        Some(self)
    }
}

impl Layerwise for GradientConfidence {
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64> {
        let layer = observation.gradients?.get(index)?;
        confidence(layer.sq_norm, layer.noise_variance?, observation.samples()?)
    }
}

/// sigma2 / B is the variance of the minibatch gradient. A gradient that vanishes has no strength, whatever its
/// reliability.
fn confidence(sq_norm: f64, noise_variance: f64, samples: i64) -> Option<f64> {
    let reliability = sq_norm / (sq_norm + noise_variance / samples as f64);
    Some(if sq_norm == 0.0 { 0.0 } else { sq_norm.sqrt() * reliability })
}
