//! Adam's loops over memory.
//!
//! Elements may begin anew while the rest of the optimizer goes on, as when a unit is replaced: their moments are zeroed and
//! their bias corrections count from their own restart. A tensor without restarts pays nothing for it.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trainability_tensor::slices::Float;

use super::beta_ramp::BetaRamp;
use super::definition::DecayFactors;

/// Adam's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamOptions {
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Added to the square root of the second moment.
    pub epsilon: f64,
    /// Decays that change within each task: `off`, `paper` (those behind the figures of arXiv 2509.19698), or an object with
    /// their end values `beta1` and `beta2` and the number of `layers`, counted from the first.
    // What is not there is not written, so that it changes no hash.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "super::beta_ramp::read")]
    #[schemars(with = "Value", extend("default" = "off", "type" = ["string", "object"]))]
    pub beta_ramp: Option<BetaRamp>,
}

impl AdamOptions {
    /// The same with the decays that the layer has after this share of its task's epochs.
    pub(super) fn of_layer(self, layer: usize, share: f64) -> AdamOptions {
        match self.beta_ramp.filter(|ramp| layer < ramp.layers) {
            None => self,
            Some(ramp) => {
                let [beta1, beta2] = ramp.at(share, [self.beta1, self.beta2]);
                AdamOptions { beta1, beta2, ..self }
            }
        }
    }
}

impl Default for AdamOptions {
    fn default() -> Self {
        AdamOptions { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, beta_ramp: None }
    }
}

/// What one step needs to know beside the tensors.
#[derive(Clone, Copy)]
pub(super) struct AdamStep {
    pub(super) options: AdamOptions,
    pub(super) learning_rate: f64,
    pub(super) decay: DecayFactors,
    /// Steps, this one included.
    pub(super) count: u64,
    /// 1 - beta1^t and 1 - beta2^t.
    bias_corrections: [f64; 2],
}

impl AdamStep {
    /// The step of that number, counted from 1.
    pub(super) fn of(options: AdamOptions, learning_rate: f64, decay: DecayFactors, count: u64) -> AdamStep {
        let bias_corrections = [options.beta1, options.beta2].map(|beta| 1.0 - beta.powf(count as f64));
        AdamStep { options, learning_rate, decay, count, bias_corrections }
    }
}

/// The loop that all the time goes into: memory-bound, and kept simple enough for the compiler to vectorise, with the
/// widest vectors that the processor has. The bits do not depend on their width. Moments that have faded below the normal
/// numbers, as those of dead units do, become zero: what they would still do to a weight is far below its last bit.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub(super) fn update<T: Float>(value: &mut [T], gradient: &[T], first: &mut [T], second: &mut [T], step: AdamStep) {
    let AdamOptions { beta1, beta2, epsilon, .. } = step.options;
    let [correction1, correction2] = step.bias_corrections;
    let (coupled, shrink) = (T::of(step.decay.coupled), T::of(step.decay.shrink));
    let (keep1, take1) = (T::of(beta1), T::of(1.0 - beta1));
    let (keep2, take2) = (T::of(beta2), T::of(1.0 - beta2));
    let (root_correction, epsilon) = (T::of(correction2.sqrt()), T::of(epsilon));
    let step_size = T::of(step.learning_rate / correction1);
    for (((theta, &g), m), v) in value.iter_mut().zip(gradient).zip(first).zip(second) {
        let g = g + coupled * *theta;
        *m = (keep1 * *m + take1 * g).flushed();
        *v = (keep2 * *v + take2 * g * g).flushed();
        *theta = shrink * *theta - step_size * (*m / (v.root() / root_correction + epsilon));
    }
}

/// The two bias corrections by age, 1 - beta1^n and the root of 1 - beta2^n for n = 0, 1, .., as far as they have been
/// needed, and no further than where both are 1.
#[derive(Debug, Default)]
pub(super) struct Corrections {
    betas: [f64; 2],
    by_age: Vec<[f64; 2]>,
}

impl Corrections {
    /// Makes sure of all ages up to `age`, for the decays of these options.
    pub(super) fn extend(&mut self, options: AdamOptions, age: u64) {
        let AdamOptions { beta1, beta2, .. } = options;
        if self.betas != [beta1, beta2] {
            *self = Corrections { betas: [beta1, beta2], by_age: Vec::new() };
        }
        while self.by_age.len() as u64 <= age && self.by_age.last() != Some(&[1.0, 1.0]) {
            let age = self.by_age.len() as f64;
            self.by_age.push([1.0 - beta1.powf(age), (1.0 - beta2.powf(age)).sqrt()]);
        }
    }

    fn of(&self, age: i64) -> [f64; 2] {
        self.by_age[(age as usize).min(self.by_age.len() - 1)]
    }
}

/// Adam's loop where `restarts` holds the step count at which each element began.
pub(super) fn update_restarted<T: Float>(
    value: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
    restarts: &[i64],
    step: AdamStep,
    corrections: &Corrections,
) {
    let AdamOptions { beta1, beta2, epsilon, .. } = step.options;
    let (coupled, shrink) = (T::of(step.decay.coupled), T::of(step.decay.shrink));
    let (keep1, take1) = (T::of(beta1), T::of(1.0 - beta1));
    let (keep2, take2) = (T::of(beta2), T::of(1.0 - beta2));
    let epsilon = T::of(epsilon);
    let elements = value.iter_mut().zip(gradient).zip(first).zip(second).zip(restarts);
    for ((((theta, &g), m), v), &restart) in elements {
        let [correction1, root_correction2] = corrections.of(step.count as i64 - restart);
        let g = g + coupled * *theta;
        *m = (keep1 * *m + take1 * g).flushed();
        *v = (keep2 * *v + take2 * g * g).flushed();
        let step_size = T::of(step.learning_rate / correction1);
        *theta = shrink * *theta - step_size * (*m / (v.root() / T::of(root_correction2) + epsilon));
    }
}
