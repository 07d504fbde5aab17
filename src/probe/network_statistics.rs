//! The statistics of the whole network as if it were one layer (docs/method.md, section 2.5), for the scope `network`.

use super::statistics::{LayerStatistics, Probe};
use super::view::UpdateView;

impl Probe {
    /// The whole network's statistics, from those of its layers at the same update.
    ///
    /// Squared gradient norm and per-sample variance are sums over the layers, the latter undefined if one layer's is. The
    /// root mean square of Adam's second moment is over all weights. Sharpness is the largest of the layers', which is that
    /// of the block-diagonal Hessian exactly and bounds that of the full Hessian from below; its window is the network's
    /// own. The learning rate is the first layer's: under the scope `network` there is one for all.
    pub(crate) fn measure_network(&mut self, update: &UpdateView, layers: &[LayerStatistics]) -> LayerStatistics {
        let largest = layers.iter().filter(|layer| layer.sharpness.is_some()).max_by(|a, b| {
            let value = |layer: &LayerStatistics| layer.sharpness.unwrap_or(f64::NEG_INFINITY);
            value(a).total_cmp(&value(b))
        });
        // One block of unknown sharpness leaves the network's unknown.
        let all = layers.iter().all(|layer| layer.sharpness.is_some());
        let largest = largest.filter(|_| all);
        let sharpness = largest.and_then(|layer| layer.sharpness);
        let smallest: Option<Vec<f64>> = layers.iter().map(|layer| layer.sharpness_min).collect();
        let (optimizer, rates, whole) = (update.optimizer, update.learning_rates, 0..layers.len());
        let factor = optimizer.sharpness_factor(whole.clone(), rates, self.options.sharpness_scale);
        let normalized_sharpness = sharpness.zip(factor).map(|(lambda, factor)| lambda * factor);
        let spread = normalized_sharpness.map(|value| self.network_window.push(value, self.options.volatility));
        LayerStatistics {
            batch: update.labels.size()[0] as usize,
            learning_rate: rates[0],
            effective_step: optimizer.effective_step(whole, rates[0], self.options.effective_step),
            gradient_sq_norm: layers.iter().map(|layer| layer.gradient_sq_norm).sum(),
            noise_samples: layers[0].noise_samples,
            noise_undefined: layers.iter().find_map(|layer| layer.noise_undefined),
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
