//! The statistics of the whole network as if it were one layer (docs/method.md, section 2.5), for the scope `network`.

use tch::Kind;

use super::LayerStatistics;
use super::statistics::{EffectiveStep, Probe, Scene, SharpnessScale, normalisation};

impl Probe {
    /// The whole network's statistics, from those of its layers at the same update.
    ///
    /// Squared gradient norm and per-sample variance are sums over the layers, the latter undefined if one layer's is. The
    /// root mean square of Adam's second moment is over all weights. Sharpness is the largest of the layers', which is that
    /// of the block-diagonal Hessian exactly and bounds that of the full Hessian from below; its window is the network's
    /// own. The learning rate is the first layer's: under the scope `network` there is one for all.
    pub fn measure_network(&mut self, scene: &Scene, layers: &[LayerStatistics]) -> LayerStatistics {
        let largest = layers.iter().filter(|layer| layer.sharpness.is_some()).max_by(|a, b| {
            let value = |layer: &LayerStatistics| layer.sharpness.unwrap_or(f64::NEG_INFINITY);
            value(a).total_cmp(&value(b))
        });
        // One block of unknown sharpness leaves the network's unknown.
        let all = layers.iter().all(|layer| layer.sharpness.is_some());
        let largest = largest.filter(|_| all);
        let sharpness = largest.and_then(|layer| layer.sharpness);
        let smallest: Option<Vec<f64>> = layers.iter().map(|layer| layer.sharpness_min).collect();
        let scale = match self.options.sharpness_scale {
            SharpnessScale::Layer => second_moment_rms(scene)
                .map(|v_rms| scene.learning_rates[0] / (v_rms + scene.optimizer.options().epsilon)),
            SharpnessScale::Global => normalisation(scene, 0, SharpnessScale::Global),
        };
        let normalized_sharpness = sharpness.zip(scale).map(|(lambda, scale)| lambda * scale);
        let spread = normalized_sharpness.map(|value| self.network_window.push(value, self.options.volatility));
        LayerStatistics {
            batch: scene.labels.size()[0] as usize,
            learning_rate: scene.learning_rates[0],
            effective_step: effective_step(scene, layers, self.options.effective_step),
            gradient_sq_norm: layers.iter().map(|layer| layer.gradient_sq_norm).sum(),
            noise_variance: layers.iter().map(|layer| layer.noise_variance).sum(),
            sharpness,
            sharpness_min: smallest.and_then(|values| values.into_iter().reduce(f64::min)),
            sharpness_residual: largest.and_then(|layer| layer.sharpness_residual),
            normalized_sharpness,
            sharpness_mean: spread.map(|spread| spread.mean),
            deviation_sq: spread.map(|spread| spread.deviation_sq),
            volatility: spread.map(|spread| spread.volatility),
        }
    }
}

/// sqrt(mean(v) / (1 - beta2^t)) over all weights; undefined before the first step.
fn second_moment_rms(scene: &Scene) -> Option<f64> {
    let correction = 1.0 - scene.optimizer.options().beta2.powf(scene.optimizer.steps() as f64);
    let weights = || scene.optimizer.moments().iter().map(|layer| &layer[0].second);
    let sum: f64 = weights().map(|second| second.sum(Kind::Double).double_value(&[])).sum();
    let count: usize = weights().map(|second| second.numel()).sum();
    (scene.optimizer.steps() > 0).then(|| (sum / count as f64 / correction).sqrt())
}

fn effective_step(scene: &Scene, layers: &[LayerStatistics], form: EffectiveStep) -> Option<f64> {
    match form {
        EffectiveStep::Rms => {
            let options = scene.optimizer.options();
            let correction = 1.0 - options.beta1.powf(scene.optimizer.steps() as f64);
            second_moment_rms(scene).map(|v_rms| scene.learning_rates[0] / correction / (v_rms + options.epsilon))
        }
        EffectiveStep::Elementwise => {
            let counts = scene.network.layers.iter().map(|layer| layer.count() as f64);
            let total: f64 = counts.clone().sum();
            let steps = layers.iter().zip(counts).map(|(layer, count)| Some(layer.effective_step? * count / total));
            steps.sum()
        }
    }
}
