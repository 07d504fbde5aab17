//! Stochastic gradient descent with momentum (Polyak 1964), and Nesterov's form of it (Sutskever et al. 2013), by PyTorch's
//! rule: b <- m b + g, and theta <- theta - lr b, or theta - lr (g + m b) in Nesterov's form.

use std::ops::Range;

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::outer_gradient::{OuterGradient, weight_and_bias};
use trainability_tensor::slices::{Float, on_host, view, view_mut};
use trainability_tensor::{Gradients, Layer, Role, State, StateError, Stateful, for_float};

use super::definition::{
    DecayFactors, EffectiveStep, Optimizer, OptimizerKind, OptimizerOptions, SharpnessScale, Sums,
};

/// `sgd`.
pub(super) const KIND: OptimizerKind =
    OptimizerKind::of::<SgdOptions>("sgd", "stochastic gradient descent with momentum, plain or in Nesterov's form");

/// Constants of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SgdOptions {
    /// m: how much of the accumulated gradient is kept at each step; 0 is plain gradient descent.
    pub momentum: f64,
    /// Whether to use Nesterov's form of momentum.
    pub nesterov: bool,
}

impl Default for SgdOptions {
    fn default() -> Self {
        SgdOptions { momentum: 0.9, nesterov: false }
    }
}

impl OptimizerOptions for SgdOptions {
    fn check(&self) -> Result<(), OptionError> {
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(OptionError::new("momentum", self.momentum, "at least 0 and below 1"));
        }
        if self.nesterov && self.momentum == 0.0 {
            return Err(OptionError::new(
                "nesterov",
                true,
                "false where `momentum` is 0, which leaves nothing to look ahead by",
            ));
        }
        Ok(())
    }

    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(Sgd::new(*self, weight_decay, layers))
    }
}

impl SgdOptions {
    /// Whether it is plain gradient descent, whose steps do not depend on those before.
    fn has_no_memory(self) -> bool {
        self.momentum == 0.0
    }
}

/// The averaged gradient of one parameter tensor, in its shape.
#[derive(Debug)]
struct Momentum {
    /// The parameter's name.
    name: String,
    role: Role,
    value: Tensor,
}

/// Stochastic gradient descent over the layers of a network.
#[derive(Debug)]
pub struct Sgd {
    options: SgdOptions,
    weight_decay: WeightDecay,
    steps: u64,
    momenta: Vec<Vec<Momentum>>,
}

impl Sgd {
    /// An optimizer without a past for these layers.
    pub fn new(options: SgdOptions, weight_decay: WeightDecay, layers: &[Layer]) -> Sgd {
        let empty = |layer: &Layer| {
            let momenta = layer.parameters.iter().map(|parameter| Momentum {
                name: parameter.name.clone(),
                role: parameter.role,
                value: parameter.value.detach().zeros_like(),
            });
            momenta.collect()
        };
        Sgd { options, weight_decay, steps: 0, momenta: layers.iter().map(empty).collect() }
    }
}

impl Optimizer for Sgd {
    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        self.steps += 1;
        let mut sums = Sums::default();
        for (index, layer) in layers.iter_mut().enumerate() {
            let (rate, options) = (learning_rates[index], self.options);
            let decay = DecayFactors::of(self.weight_decay, rate);
            let parameters = layer.parameters.iter_mut().zip(&mut self.momenta[index]).zip(&gradients[index]);
            for ((parameter, Momentum { value: momentum, .. }), gradient) in parameters {
                sums.of_step(&mut parameter.value, summarise, |value| {
                    if on_host(value) {
                        for_float!(value, update(value, gradient, momentum, options, rate, decay));
                    } else {
                        update_elsewhere(value, gradient, momentum, options, rate, decay);
                    }
                });
            }
        }
        sums.means(summarise)
    }

    fn step_of_one(&mut self, layers: &mut [Layer], gradients: &[OuterGradient], learning_rates: &[f64]) -> bool {
        self.steps += 1;
        for (index, (layer, gradient)) in layers.iter_mut().zip(gradients).enumerate() {
            let (options, rate) = (self.options, learning_rates[index]);
            let (momenta, decay) = (&mut self.momenta[index], DecayFactors::of(self.weight_decay, rate));
            for_float!(gradient.delta, update_of_one(layer, gradient, momenta, options, rate, decay));
        }
        true
    }

    fn memory_mut(&mut self) -> Option<Vec<Vec<&mut Tensor>>> {
        Some(self.momenta.iter_mut().flatten().map(|momentum| vec![&mut momentum.value]).collect())
    }

    fn begin_step(&mut self, learning_rates: &[f64]) -> Vec<Vec<f64>> {
        self.steps += 1;
        let SgdOptions { momentum, nesterov } = self.options;
        let (of_gradient, of_average) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
        let of_layer = |&rate: &f64| {
            let decay = DecayFactors::of(self.weight_decay, rate);
            vec![decay.coupled, decay.shrink, momentum, of_gradient, of_average, rate]
        };
        learning_rates.iter().map(of_layer).collect()
    }

    fn step_together(&self, value: &mut Tensor, gradient: &Tensor, memory: &mut [Tensor], numbers: &[Tensor]) {
        let _guard = tch::no_grad_guard();
        let ([average], [coupled, shrink, keep, of_gradient, of_average, rate]) = (memory, numbers) else {
            panic!("SGD has one average and six numbers a layer");
        };
        let gradient = gradient + &*value * coupled;
        let _ = average.g_mul_(keep).g_add_(&gradient);
        let change = (gradient * of_gradient + &*average * of_average) * rate;
        let _ = value.g_mul_(shrink).g_sub_(&change);
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn clear(&mut self) {
        self.steps = 0;
        self.momenta.iter_mut().flatten().for_each(|momentum| drop(momentum.value.zero_()));
    }

    fn restart(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        let Some(momentum) = self.momenta[layer].iter_mut().find(|momentum| momentum.role == role) else { return };
        let indices = Tensor::from_slice(indices).to_device(momentum.value.device());
        let _ = momentum.value.index_fill_(dimension, &indices, 0.0);
    }

    /// lr (1 - m^t) / (1 - m): a gradient that stays is multiplied by it after t steps. Nesterov's form is a step ahead, with
    /// m^(t+1) (docs/method.md, equation (40)).
    fn effective_step(&self, _layers: Range<usize>, learning_rate: f64, _form: EffectiveStep) -> Option<f64> {
        let SgdOptions { momentum, nesterov } = self.options;
        let steps = self.steps as f64 + f64::from(u8::from(nesterov));
        (self.steps > 0).then(|| learning_rate * (1.0 - momentum.powf(steps)) / (1.0 - momentum))
    }

    /// lr / (1 - m) (docs/method.md, equation (41)).
    fn sharpness_factor(&self, layers: Range<usize>, learning_rates: &[f64], scale: SharpnessScale) -> Option<f64> {
        let layer = if scale == SharpnessScale::Global { 0 } else { layers.start };
        (self.steps > 0).then(|| learning_rates[layer] / (1.0 - self.options.momentum))
    }
}

/// Averages that have faded below the normal numbers become zero, as those of dead units do.
fn update<T: Float>(
    value: &mut Tensor,
    gradient: &Tensor,
    momentum: &mut Tensor,
    options: SgdOptions,
    learning_rate: f64,
    decay: DecayFactors,
) {
    // SAFETY: parameter, gradient and average are three tensors with memory of their own.
    let (value, gradient, momentum) = unsafe { (view_mut::<T>(value), view::<T>(gradient), view_mut::<T>(momentum)) };
    update_slices(value, gradient, momentum, options, learning_rate, decay);
}

fn update_slices<T: Float>(
    value: &mut [T],
    gradient: &[T],
    momentum: &mut [T],
    options: SgdOptions,
    learning_rate: f64,
    decay: DecayFactors,
) {
    let [keep, rate, coupled, shrink] = [options.momentum, learning_rate, decay.coupled, decay.shrink].map(T::of);
    if options.has_no_memory() {
        for (theta, &g) in value.iter_mut().zip(gradient) {
            let g = g + coupled * *theta;
            *theta = shrink * *theta - rate * g.flushed();
        }
        return;
    }
    for ((theta, &g), average) in value.iter_mut().zip(gradient).zip(momentum) {
        let g = g + coupled * *theta;
        *average = (keep * *average + g).flushed();
        let direction = if options.nesterov { g + keep * *average } else { *average };
        *theta = shrink * *theta - rate * direction;
    }
}

/// Plain gradient descent of a weight, row by row. Rows of silent units, whose delta is zero, stay as they are.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn descend<T: Float>(value: &mut [T], delta: &[T], input: &[T], rate: T) {
    for (row, &delta) in value.chunks_exact_mut(input.len()).zip(delta).filter(|(_, delta)| **delta != T::of(0.0)) {
        for (theta, &input) in row.iter_mut().zip(input) {
            *theta -= rate * (delta * input).flushed();
        }
    }
}

/// The step of one layer from the gradient of one sample.
fn update_of_one<T: Float>(
    layer: &mut Layer,
    gradient: &OuterGradient,
    momenta: &mut [Momentum],
    options: SgdOptions,
    learning_rate: f64,
    decay: DecayFactors,
) {
    let ([weight, bias], [of_weight, of_bias]) = (weight_and_bias(layer), momenta) else {
        panic!("averages of a weight and a bias")
    };
    // SAFETY: parameters, averages and the gradient's factors are tensors with memory of their own.
    unsafe {
        let (value, (delta, input)) = (view_mut::<T>(weight), gradient.factors::<T>());
        if options.has_no_memory() && decay.is_none() {
            descend(value, delta, input, T::of(learning_rate));
        } else {
            let average = view_mut::<T>(&mut of_weight.value);
            gradient.for_rows(|begin, row| {
                let own = begin..begin + row.len();
                update_slices(&mut value[own.clone()], row, &mut average[own], options, learning_rate, decay);
            });
        }
        let average = view_mut(&mut of_bias.value);
        update_slices(view_mut::<T>(bias), delta, average, options, learning_rate, decay);
    }
}

/// The same by tensor operations, wherever the tensors are.
fn update_elsewhere(
    value: &mut Tensor,
    gradient: &Tensor,
    momentum: &mut Tensor,
    options: SgdOptions,
    learning_rate: f64,
    decay: DecayFactors,
) {
    let _guard = tch::no_grad_guard();
    let gradient = gradient + &*value * decay.coupled;
    let _ = momentum.g_mul_scalar_(options.momentum).g_add_(&gradient);
    let direction = if options.nesterov { gradient + &*momentum * options.momentum } else { momentum.shallow_clone() };
    let _ = value.g_mul_scalar_(decay.shrink).g_sub_(&(direction * learning_rate));
}

impl Stateful for Sgd {
    fn save(&self, state: &mut State) {
        state.put_value("steps", &self.steps);
        for momentum in self.momenta.iter().flatten() {
            state.put_tensor(&format!("{}.momentum_buffer", momentum.name), &momentum.value);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.steps = state.count("steps", State::MOST_COUNT)?;
        for momentum in self.momenta.iter_mut().flatten() {
            state.copy_into(&format!("{}.momentum_buffer", momentum.name), &mut momentum.value)?;
        }
        Ok(())
    }
}
