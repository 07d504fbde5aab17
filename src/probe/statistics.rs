//! The statistics of a layer at one update (docs/method.md, section 2).

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_baselines::indicator::LayerGradient;
use trainability_baselines::lanczos::LanczosOptions;
use trainability_baselines::penalty::Penalty;
use trainability_baselines::spectrum::SpectrumOptions;
use trainability_baselines::{Gradients, LayerDelta, LayerTrace, State, StateError, Stateful};

use super::curvature::layer_curvatures;
use super::noise::{noise_variance, squared_norm};
use super::window::{SharpnessWindow, Volatility};
use crate::network::Network;
use crate::optimizer::Adam;
use crate::random::Generator;

/// How the effective step is formed from Adam's second moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectiveStep {
    /// lr / ((1 - beta1^t) (v_rms + eps)) with v_rms over the layer's weight: as run.
    #[default]
    Rms,
    /// The mean over the layer's parameters of lr / ((1 - beta1^t) (sqrt(v_hat) + eps)): the paper's appendix.
    Elementwise,
}

/// What normalises a layer's sharpness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharpnessScale {
    /// The layer's own learning rate and v_rms.
    #[default]
    Layer,
    /// One root mean square over all parameters without bias correction, and the first layer's learning rate: as run.
    Global,
}

/// Named options of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeOptions {
    /// K: the update after every K others is measured (and controlled); 0 is never.
    pub interval: u64,
    /// W: values of normalised sharpness in the window.
    pub window: usize,
    /// Form of the effective step.
    pub effective_step: EffectiveStep,
    /// Normalisation of the sharpness.
    pub sharpness_scale: SharpnessScale,
    /// Form of the volatility.
    pub volatility: Volatility,
    /// Images of the fixed batch that indicators of a task's start and end look at.
    pub probe_images: usize,
    /// When an eigenvalue is good enough.
    pub lanczos: LanczosOptions,
    /// How closely the whole Hessian's spectrum is looked at, at a task's end.
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
            probe_images: 256,
            lanczos: LanczosOptions::default(),
            spectrum: SpectrumOptions::default(),
        }
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
    /// sigma2 of the cross-entropy; undefined where single samples have no gradient.
    pub noise_variance: Option<f64>,
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

impl LayerStatistics {
    /// What indicators see of them.
    pub fn gradient(&self) -> LayerGradient {
        let noise_variance = self.noise_variance.filter(|_| self.batch > 1);
        LayerGradient { sq_norm: self.gradient_sq_norm, noise_variance }
    }
}

/// One update between its backward pass and its optimizer step.
pub struct Scene<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its forward pass on the minibatch, without graph.
    pub trace: &'a [LayerTrace],
    /// The minibatch's labels, Int64.
    pub labels: &'a Tensor,
    /// Per-sample cross-entropy gradients of each layer, as [`Network::deltas`] gives them.
    pub deltas: &'a [Option<LayerDelta>],
    /// Gradient of the mean cross-entropy.
    pub cross_entropy_gradients: &'a Gradients,
    /// Gradient of the total loss.
    pub total_gradients: &'a Gradients,
    /// The optimizer with the moments of earlier updates.
    pub optimizer: &'a Adam,
    /// Learning rate of each layer.
    pub learning_rates: &'a [f64],
    /// Terms of the loss.
    pub penalties: &'a [Box<dyn Penalty>],
}

/// Seconds that a measurement took, by part.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeSeconds {
    /// Norms and per-sample variance.
    pub variance: f64,
    /// Eigenvalues.
    pub curvature: f64,
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
    pub fn is_due(&self, made: u64) -> bool {
        made > 0 && self.options.interval > 0 && made.is_multiple_of(self.options.interval)
    }

    /// Forgets the windows, as for a network that has no past.
    pub fn clear(&mut self) {
        self.windows.iter_mut().for_each(SharpnessWindow::clear);
        self.network_window.clear();
    }

    /// All statistics of every layer.
    pub fn measure(&mut self, scene: &Scene) -> (Vec<LayerStatistics>, ProbeSeconds) {
        let mut seconds = ProbeSeconds::default();
        let start = Instant::now();
        let curvatures = layer_curvatures(
            scene.network,
            scene.trace,
            scene.labels,
            scene.penalties,
            self.options.lanczos,
            &mut self.generator.0,
        );
        seconds.curvature = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let mut statistics = Vec::with_capacity(curvatures.len());
        for (layer, curvature) in curvatures.into_iter().enumerate() {
            let sharpness = finite(curvature.largest.value);
            self.flat_events += u64::from(sharpness.is_some_and(|lambda| lambda.abs() < FLAT));
            self.unconverged_events += u64::from(!curvature.converged);
            let scale = normalisation(scene, layer, self.options.sharpness_scale);
            let normalized_sharpness = sharpness.zip(scale).map(|(lambda, scale)| lambda * scale);
            let spread = normalized_sharpness.map(|value| self.windows[layer].push(value, self.options.volatility));
            statistics.push(LayerStatistics {
                batch: scene.labels.size()[0] as usize,
                learning_rate: scene.learning_rates[layer],
                effective_step: effective_step(scene, layer, self.options.effective_step),
                gradient_sq_norm: squared_norm(&scene.total_gradients[layer]),
                noise_variance: scene.deltas[layer]
                    .as_ref()
                    .map(|delta| noise_variance(&scene.trace[layer], delta, &scene.cross_entropy_gradients[layer])),
                sharpness,
                sharpness_min: finite(curvature.smallest.value),
                sharpness_residual: finite(curvature.largest.residual),
                normalized_sharpness,
                sharpness_mean: spread.map(|spread| spread.mean),
                deviation_sq: spread.map(|spread| spread.deviation_sq),
                volatility: spread.map(|spread| spread.volatility),
            });
        }
        seconds.variance = start.elapsed().as_secs_f64();
        (statistics, seconds)
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// sqrt(mean(v) / (1 - beta2^t)) over the layer's weight; undefined before the first step.
pub fn second_moment_rms(optimizer: &Adam, layer: usize) -> Option<f64> {
    let correction = 1.0 - optimizer.options().beta2.powf(optimizer.steps() as f64);
    let weight = &optimizer.moments()[layer][0].second;
    (optimizer.steps() > 0).then(|| (weight.mean(Kind::Double).double_value(&[]) / correction).sqrt())
}

fn effective_step(scene: &Scene, layer: usize, form: EffectiveStep) -> Option<f64> {
    let (optimizer, options) = (scene.optimizer, scene.optimizer.options());
    let v_rms = second_moment_rms(optimizer, layer)?;
    let correction1 = 1.0 - options.beta1.powf(optimizer.steps() as f64);
    let learning_rate = scene.learning_rates[layer] / correction1;
    match form {
        EffectiveStep::Rms => Some(learning_rate / (v_rms + options.epsilon)),
        EffectiveStep::Elementwise => {
            let correction2 = 1.0 - options.beta2.powf(optimizer.steps() as f64);
            let (mut sum, mut count) = (0.0, 0);
            for moments in &optimizer.moments()[layer] {
                let root = (moments.second.to_kind(Kind::Double) / correction2).sqrt() + options.epsilon;
                sum += root.reciprocal().sum(Kind::Double).double_value(&[]);
                count += moments.second.numel();
            }
            Some(learning_rate * sum / count as f64)
        }
    }
}

/// What a layer's lambda is multiplied with to give lambda_bar.
pub(super) fn normalisation(scene: &Scene, layer: usize, scale: SharpnessScale) -> Option<f64> {
    let epsilon = scene.optimizer.options().epsilon;
    match scale {
        SharpnessScale::Layer => {
            second_moment_rms(scene.optimizer, layer).map(|v_rms| scene.learning_rates[layer] / (v_rms + epsilon))
        }
        SharpnessScale::Global => (scene.optimizer.steps() > 0).then(|| {
            let moments = || scene.optimizer.moments().iter().flatten();
            let sum: f64 = moments().map(|m| m.second.sum(Kind::Double).double_value(&[])).sum();
            let count: usize = moments().map(|m| m.second.numel()).sum();
            scene.learning_rates[0] / ((sum / count as f64).sqrt() + epsilon)
        }),
    }
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
