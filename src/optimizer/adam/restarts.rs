//! Elements that begin anew while the rest of the optimizer goes on, as when a unit is replaced: their moments are zeroed
//! and their bias corrections count from their own restart. A tensor without restarts pays nothing for it.

use tch::{Kind, Tensor};
use trainability_baselines::method::WeightDecay;
use trainability_baselines::slices::Float;

use super::{Adam, AdamOptions, Step};

/// The two bias corrections by age, 1 - beta1^n and the root of 1 - beta2^n for n = 0, 1, .., as far as they have been
/// needed, and no further than where both are 1.
#[derive(Debug, Default)]
pub(super) struct Corrections(Vec<[f64; 2]>);

impl Corrections {
    /// Makes sure of all ages up to `age`.
    fn extend(&mut self, options: AdamOptions, age: u64) {
        while self.0.len() as u64 <= age && self.0.last() != Some(&[1.0, 1.0]) {
            let age = self.0.len() as f64;
            self.0.push([1.0 - options.beta1.powf(age), (1.0 - options.beta2.powf(age)).sqrt()]);
        }
    }

    fn of(&self, age: i64) -> [f64; 2] {
        self.0[(age as usize).min(self.0.len() - 1)]
    }
}

impl Adam {
    /// Puts the entries at `indices` along `dimension` of one parameter tensor back to their state before the first
    /// update. [`Adam::steps`] stays the count of the whole, from which measurements correct the second moment's bias.
    pub fn restart(&mut self, layer: usize, parameter: usize, dimension: i64, indices: &[i64]) {
        let steps = self.steps as i64;
        let moments = &mut self.moments[layer][parameter];
        let indices = Tensor::from_slice(indices);
        let _ = moments.first.index_fill_(dimension, &indices, 0.0);
        let _ = moments.second.index_fill_(dimension, &indices, 0.0);
        let never = || moments.first.zeros_like().to_kind(Kind::Int64);
        let _ = moments.restarts.get_or_insert_with(never).index_fill_(dimension, &indices, steps);
    }

    /// Makes sure of the corrections that the coming step needs.
    pub(super) fn prepare_corrections(&mut self) {
        if self.moments.iter().flatten().any(|moments| moments.restarts.is_some()) {
            self.corrections.extend(self.options, self.steps);
        }
    }
}

/// Adam's loop where `restarts` holds the step count at which each element began.
pub(super) fn update<T: Float>(
    value: &mut [T],
    gradient: &[T],
    first: &mut [T],
    second: &mut [T],
    restarts: &[i64],
    step: Step,
    corrections: &Corrections,
) {
    let AdamOptions { beta1, beta2, epsilon } = step.options;
    let (coupled, shrink) = match step.weight_decay {
        WeightDecay::None => (0.0, 1.0),
        WeightDecay::Coupled(coefficient) => (coefficient, 1.0),
        WeightDecay::Decoupled(coefficient) => (0.0, 1.0 - step.learning_rate * coefficient),
    };
    let (coupled, shrink) = (T::of(coupled), T::of(shrink));
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
