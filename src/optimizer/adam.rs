//! Adam (Kingma and Ba, arXiv 1412.6980), with weight decay coupled as in the original or decoupled as in AdamW
//! (Loshchilov and Hutter, arXiv 1711.05101), in one pass over memory.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_baselines::for_float;
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::method::WeightDecay;
use trainability_baselines::slices::{Float, view, view_mut};
use trainability_baselines::{Gradients, LayerParameters, State, StateError, Stateful};

mod restarts;

/// Adam's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamOptions {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        AdamOptions { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// First and second moments of one parameter tensor, in its shape.
#[derive(Debug)]
pub struct Moments {
    /// The parameter's name.
    pub name: String,
    /// m, the decaying mean of gradients.
    pub first: Tensor,
    /// v, the decaying mean of squared gradients.
    pub second: Tensor,
    /// The step count at which each element was last restarted, Int64, 0 for none; absent while no element was.
    pub restarts: Option<Tensor>,
}

/// Adam over the layers of a network.
#[derive(Debug)]
pub struct Adam {
    options: AdamOptions,
    weight_decay: WeightDecay,
    steps: u64,
    moments: Vec<Vec<Moments>>,
    corrections: restarts::Corrections,
}

/// What one step needs to know beside the tensors.
#[derive(Clone, Copy)]
struct Step {
    options: AdamOptions,
    learning_rate: f64,
    weight_decay: WeightDecay,
    /// Steps, this one included.
    count: u64,
}

/// Sums over the elements of what a step changed.
#[derive(Clone, Copy, Default)]
struct Sums {
    absolute_update: f64,
    absolute_weight: f64,
}

impl Adam {
    /// An optimizer with empty moments for these layers.
    pub fn new(options: AdamOptions, weight_decay: WeightDecay, layers: &[LayerParameters]) -> Adam {
        let empty = |layer: &LayerParameters| {
            let moments = layer.parameters.iter().map(|parameter| Moments {
                name: parameter.name.clone(),
                first: parameter.value.detach().zeros_like(),
                second: parameter.value.detach().zeros_like(),
                restarts: None,
            });
            moments.collect()
        };
        let moments = layers.iter().map(empty).collect();
        Adam { options, weight_decay, steps: 0, moments, corrections: restarts::Corrections::default() }
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The constants.
    pub fn options(&self) -> AdamOptions {
        self.options
    }

    /// The moments of each parameter of each layer.
    pub fn moments(&self) -> &[Vec<Moments>] {
        &self.moments
    }

    /// Forgets all moments and steps.
    pub fn clear(&mut self) {
        self.steps = 0;
        for moments in self.moments.iter_mut().flatten() {
            let _ = moments.first.zero_();
            let _ = moments.second.zero_();
            moments.restarts = None;
        }
    }

    /// Updates all parameters, layer l with `learning_rates[l]`; sums up the update if it is asked to.
    pub fn step(
        &mut self,
        layers: &mut [LayerParameters],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        self.steps += 1;
        self.prepare_corrections();
        let mut total = Sums::default();
        let mut count = 0;
        for (index, layer) in layers.iter_mut().enumerate() {
            let step = Step {
                options: self.options,
                learning_rate: learning_rates[index],
                weight_decay: self.weight_decay,
                count: self.steps,
            };
            for ((parameter, moments), gradient) in
                layer.parameters.iter_mut().zip(&mut self.moments[index]).zip(&gradients[index])
            {
                let value = &mut parameter.value;
                let sums =
                    for_float!(value, update_tensor(value, gradient, moments, step, &self.corrections, summarise));
                total.absolute_update += sums.absolute_update;
                total.absolute_weight += sums.absolute_weight;
                count += value.numel();
            }
        }
        summarise.then(|| UpdateSummary {
            mean_absolute_update: total.absolute_update / count as f64,
            mean_absolute_weight: total.absolute_weight / count as f64,
        })
    }
}

fn update_tensor<T: Float>(
    value: &mut Tensor,
    gradient: &Tensor,
    moments: &mut Moments,
    step: Step,
    corrections: &restarts::Corrections,
    summarise: bool,
) -> Sums {
    // SAFETY: parameter, gradient and moments are four tensors with memory of their own.
    let (value, gradient, first, second) =
        unsafe { (view_mut::<T>(value), view(gradient), view_mut(&mut moments.first), view_mut(&mut moments.second)) };
    let before = summarise.then(|| value.to_vec());
    match &moments.restarts {
        None => update(value, gradient, first, second, step),
        // SAFETY: as above; nobody writes to the restarts during a step.
        Some(restarts) => {
            restarts::update(value, gradient, first, second, unsafe { view(restarts) }, step, corrections);
        }
    }
    before.map_or(Sums::default(), |before| Sums {
        absolute_update: value.iter().zip(&before).map(|(&new, &old)| (new - old).magnitude().wide()).sum(),
        absolute_weight: before.iter().map(|theta| theta.magnitude().wide()).sum(),
    })
}

/// The loop that all the time goes into: memory-bound, and kept simple enough for the compiler to vectorise, with the
/// widest vectors that the processor has. The bits do not depend on their width. Moments that have faded below the normal
/// numbers, as those of dead units do, become zero: what they would still do to a weight is far below its last bit.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn update<T: Float>(value: &mut [T], gradient: &[T], first: &mut [T], second: &mut [T], step: Step) {
    let AdamOptions { beta1, beta2, epsilon } = step.options;
    let correction1 = 1.0 - beta1.powf(step.count as f64);
    let correction2 = 1.0 - beta2.powf(step.count as f64);
    let (coupled, shrink) = match step.weight_decay {
        WeightDecay::None => (0.0, 1.0),
        WeightDecay::Coupled(coefficient) => (coefficient, 1.0),
        WeightDecay::Decoupled(coefficient) => (0.0, 1.0 - step.learning_rate * coefficient),
    };
    let (coupled, shrink) = (T::of(coupled), T::of(shrink));
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

impl Stateful for Adam {
    fn save(&self, state: &mut State) {
        state.put_value("steps", &self.steps);
        for moments in self.moments.iter().flatten() {
            state.put_tensor(&format!("{}.exp_avg", moments.name), &moments.first);
            state.put_tensor(&format!("{}.exp_avg_sq", moments.name), &moments.second);
            if let Some(restarts) = &moments.restarts {
                state.put_tensor(&format!("{}.restarts", moments.name), restarts);
            }
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.steps = state.count("steps", State::MOST_COUNT)?;
        for moments in self.moments.iter_mut().flatten() {
            state.copy_into(&format!("{}.exp_avg", moments.name), &mut moments.first)?;
            state.copy_into(&format!("{}.exp_avg_sq", moments.name), &mut moments.second)?;
            let restarts = format!("{}.restarts", moments.name);
            let like = moments.first.zeros_like().to_kind(Kind::Int64);
            let saved = state.tensors.contains_key(&restarts);
            moments.restarts = if saved { Some(state.tensor_like(&restarts, &like)?) } else { None };
        }
        Ok(())
    }
}
