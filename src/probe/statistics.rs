//! The statistics of a layer at one update (docs/method.md, section 2).

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trainability_baselines::indicator::LayerGradient;
use trainability_baselines::options::{OptionError, check, check_positive};
use trainability_tensor::lanczos::{Extremes, LanczosOptions};
use trainability_tensor::spectrum::SpectrumOptions;
use trainability_tensor::{Generator, LayerDelta, LayerTrace, State, StateError, Stateful};

use super::curvature::layer_curvatures;
use super::noise::{NoiseSamples, ONE_SAMPLE, noise_variance, squared_norm};
use super::view::UpdateView;
use super::window::{SharpnessWindow, Volatility};
use crate::optimizer::{EffectiveStep, Optimizer, SharpnessScale};

/// Named options of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeOptions {
    /// K: an update is measured, and the scheduler acts, after every K others; 0: never.
    pub interval: u64,
    /// W: how many values of normalised sharpness the window holds.
    pub window: usize,
    /// How the effective step of an optimizer with a scale for each element is formed.
    pub effective_step: EffectiveStep,
    /// What the sharpness is normalised by.
    pub sharpness_scale: SharpnessScale,
    /// How the volatility of the sharpness is measured.
    pub volatility: Volatility,
    /// The samples whose gradients' variance is the noise: those of the update's `minibatch`, or the fixed batch of
    /// `probe_images`.
    #[serde(skip_serializing_if = "is_minibatch")]
    #[schemars(extend("default" = "minibatch"))]
    pub noise: NoiseSamples,
    /// Images in the fixed batch on which indicators are read at the start and the end of a task.
    pub probe_images: usize,
    /// When the iteration for an eigenvalue stops.
    pub lanczos: LanczosOptions,
    /// How finely the spectrum of the whole Hessian is resolved at the start and the end of a task.
    pub spectrum: SpectrumOptions,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        ProbeOptions {
            interval: 40,
            window: 30,
            effective_step: EffectiveStep::default(),
            sharpness_scale: SharpnessScale::default(),
            volatility: Volatility::default(),
            noise: NoiseSamples::default(),
            probe_images: 256,
            lanczos: LanczosOptions::default(),
            spectrum: SpectrumOptions::default(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_minibatch(noise: &NoiseSamples) -> bool {
    *noise == NoiseSamples::Minibatch
}

/// The most values that a window can hold.
const MOST_WINDOW: usize = 1_000_000;

impl ProbeOptions {
    /// Refuses a value that cannot be.
    ///
    /// # Errors
    /// The first one.
    pub(crate) fn check(&self) -> Result<(), OptionError> {
        let at_least_1 = |key: &str, value: usize| check(key, value, value > 0, "at least 1");
        check("window", self.window, (1..=MOST_WINDOW).contains(&self.window), "from 1 to 1000000")?;
        at_least_1("probe_images", self.probe_images)?;
        let enough = self.noise == NoiseSamples::Minibatch || self.probe_images > 1;
        check("probe_images", self.probe_images, enough, "at least 2 where `measure.noise` is \"probe\"")?;
        at_least_1("lanczos.products", self.lanczos.products)?;
        check_positive("lanczos.tolerance", self.lanczos.tolerance)?;
        at_least_1("spectrum.products", self.spectrum.products)
    }
}

/// What is known of one layer at a measured update. `None` is undefined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerStatistics {
    /// B, samples of the minibatch.
    pub batch: usize,
    /// lr_l before the controller acts.
    pub learning_rate: f64,
    /// alpha; undefined before the optimizer's first step.
    pub effective_step: Option<f64>,
    /// |g_hat|^2 of the total loss.
    pub gradient_sq_norm: f64,
    /// sigma2 of the cross-entropy; undefined of one sample, and where single samples have no gradient.
    pub noise_variance: Option<f64>,
    /// Of how many samples it is: B, or those of the probe batch.
    pub noise_samples: usize,
    /// Why it is undefined, a part of a sentence.
    pub noise_undefined: Option<&'static str>,
    /// lambda.
    pub sharpness: Option<f64>,
    /// lambda_min.
    pub sharpness_min: Option<f64>,
    /// Relative residual of lambda.
    pub sharpness_residual: Option<f64>,
    /// lambda_bar.
    pub normalized_sharpness: Option<f64>,
    /// mu.
    pub sharpness_mean: Option<f64>,
    /// (lambda_bar - mu)^2.
    pub deviation_sq: Option<f64>,
    /// Vol.
    pub volatility: Option<f64>,
}

/// A statistic's column in `controls.csv`, and its value.
type Statistic = (&'static str, fn(&LayerStatistics) -> Option<f64>);

/// The statistics of a layer, in the order of their columns.
pub const STATISTICS: [Statistic; 9] = [
    ("effective_step", |layer| layer.effective_step),
    ("gradient_sq_norm", |layer| Some(layer.gradient_sq_norm)),
    ("noise_variance", |layer| layer.noise_variance),
    ("sharpness", |layer| layer.sharpness),
    ("sharpness_min", |layer| layer.sharpness_min),
    ("sharpness_residual", |layer| layer.sharpness_residual),
    ("normalized_sharpness", |layer| layer.normalized_sharpness),
    ("sharpness_mean", |layer| layer.sharpness_mean),
    ("volatility", |layer| layer.volatility),
];

impl LayerStatistics {
    /// The values under their columns.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, Option<f64>)> {
        STATISTICS.iter().map(|(column, value)| (*column, value(self)))
    }

    /// What indicators see of them.
    pub fn gradient(&self) -> LayerGradient {
        LayerGradient { sq_norm: self.gradient_sq_norm, noise_variance: self.noise_variance }
    }
}

/// |lambda| below this is recorded as flat curvature.
const FLAT: f64 = 1e-10;

/// Measures, and remembers the windows and what happened.
#[derive(Debug)]
pub struct Probe {
    pub(super) options: ProbeOptions,
    windows: Vec<SharpnessWindow>,
    pub(super) network_window: SharpnessWindow,
    generator: Generator,
    /// Measured blocks whose largest eigenvalue was flat (|lambda| < 1e-10).
    pub flat_events: u64,
    /// Measured blocks whose Lanczos iteration ran out of products.
    pub unconverged_events: u64,
}

impl Probe {
    /// For a network of that many layers in the run of that seed.
    pub fn new(options: ProbeOptions, layers: usize, seed: u64) -> Probe {
        Probe {
            options,
            windows: vec![SharpnessWindow::new(options.window); layers],
            network_window: SharpnessWindow::new(options.window),
            generator: Generator::named("lanczos", seed),
            flat_events: 0,
            unconverged_events: 0,
        }
    }

    /// Whether an update is measured that comes after `made` others: the first after every K, so that the optimizer's
    /// moments are there, and that where K is a whole number of epochs it meets an epoch's first minibatch and not its
    /// last, which may be short.
    pub(crate) fn is_due(&self, made: u64) -> bool {
        made > 0 && self.options.interval > 0 && made.is_multiple_of(self.options.interval)
    }

    /// Forgets the windows, as for a network that has no past.
    pub fn clear(&mut self) {
        self.windows.iter_mut().for_each(SharpnessWindow::clear);
        self.network_window.clear();
    }

    /// All statistics of every layer, and the seconds that their parts took: eigenvalues, then norms and per-sample variance.
    pub fn measure(&mut self, update: &UpdateView) -> (Vec<LayerStatistics>, [(&'static str, f64); 2]) {
        let start = Instant::now();
        let curvatures = layer_curvatures(update, self.options.lanczos, &mut self.generator.0);
        let curvature_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let batch = update.labels.size()[0] as usize;
        let (optimizer, rates) = (update.optimizer, update.learning_rates);
        let of_layer = |(layer, curvature): (usize, Extremes)| {
            let noise_variance = update.deltas[layer]
                .as_ref()
                .map(|delta| noise_variance(&update.trace[layer], delta, &update.cross_entropy_gradients[layer]));
            let gradient_sq_norm = squared_norm(&update.total_gradients[layer]);
            let found = LayerFindings { curvature, gradient_sq_norm, noise_variance };
            let noise_undefined = why_undefined(&update.trace[layer], update.deltas[layer].as_ref(), batch);
            LayerStatistics { noise_undefined, ..self.take_in(layer, batch, found, optimizer, rates) }
        };
        let statistics = curvatures.into_iter().enumerate().map(of_layer).collect();
        (statistics, [("curvature", curvature_seconds), ("variance", start.elapsed().as_secs_f64())])
    }

    /// A layer's statistics from what was found of it, which enters its window.
    pub(crate) fn take_in(
        &mut self,
        layer: usize,
        batch: usize,
        found: LayerFindings,
        optimizer: &dyn Optimizer,
        rates: &[f64],
    ) -> LayerStatistics {
        let LayerFindings { curvature, gradient_sq_norm, noise_variance } = found;
        let sharpness = finite(curvature.largest.value);
        self.flat_events += u64::from(sharpness.is_some_and(|lambda| lambda.abs() < FLAT));
        self.unconverged_events += u64::from(!curvature.converged);
        let factor = optimizer.sharpness_factor(layer..layer + 1, rates, self.options.sharpness_scale);
        let normalized_sharpness = sharpness.zip(factor).map(|(lambda, factor)| lambda * factor);
        let spread = normalized_sharpness.map(|value| self.windows[layer].push(value, self.options.volatility));
        LayerStatistics {
            batch,
            learning_rate: rates[layer],
            effective_step: optimizer.effective_step(layer..layer + 1, rates[layer], self.options.effective_step),
            gradient_sq_norm,
            noise_variance: noise_variance.filter(|_| batch > 1),
            noise_samples: batch,
            noise_undefined: (batch == 1).then_some(ONE_SAMPLE),
            sharpness,
            sharpness_min: finite(curvature.smallest.value),
            sharpness_residual: finite(curvature.largest.residual),
            normalized_sharpness,
            sharpness_mean: spread.map(|spread| spread.mean),
            deviation_sq: spread.map(|spread| spread.deviation_sq),
            volatility: spread.map(|spread| spread.volatility),
        }
    }

    /// What draws the starts of the iterations for eigenvalues.
    pub(crate) fn generator(&mut self) -> &mut ChaCha8Rng {
        &mut self.generator.0
    }
}

/// Why sigma2 of a layer is undefined, if it is.
pub(crate) fn why_undefined(trace: &LayerTrace, delta: Option<&LayerDelta>, samples: usize) -> Option<&'static str> {
    let other = delta.is_none().then_some("the first dimension of what it makes is not that of the samples");
    trace.coupled.or(other).or((samples == 1).then_some(ONE_SAMPLE))
}

/// What is found of a layer at an update, whether of its network alone or of several together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerFindings {
    /// The ends of its block of the Hessian of the total loss.
    pub(crate) curvature: Extremes,
    /// |g_hat|^2 of the total loss.
    pub(crate) gradient_sq_norm: f64,
    /// sigma2 of the cross-entropy, where single samples have a gradient.
    pub(crate) noise_variance: Option<f64>,
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl Stateful for Probe {
    fn save(&self, state: &mut State) {
        for (layer, window) in self.windows.iter().enumerate() {
            state.put_part(&format!("window{layer}"), window);
        }
        state.put_part("network_window", &self.network_window);
        state.put_part("lanczos", &self.generator);
        state.put_value("flat_events", &self.flat_events);
        state.put_value("unconverged_events", &self.unconverged_events);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        for (layer, window) in self.windows.iter_mut().enumerate() {
            state.restore_part(&format!("window{layer}"), window)?;
        }
        state.restore_part("network_window", &mut self.network_window)?;
        state.restore_part("lanczos", &mut self.generator)?;
        self.flat_events = state.count("flat_events", State::MOST_COUNT)?;
        self.unconverged_events = state.count("unconverged_events", State::MOST_COUNT)?;
        Ok(())
    }
}
