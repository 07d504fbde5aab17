//! Adam (Kingma and Ba, arXiv 1412.6980), with weight decay coupled as in the original or decoupled as in AdamW
//! (Loshchilov and Hutter, arXiv 1711.05101), in one pass over memory.

use std::ops::Range;

use tch::{Kind, Tensor};
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::outer_gradient::{OuterGradient, weight_and_bias};
use trainability_tensor::slices::{Float, on_host, view, view_mut};
use trainability_tensor::{Gradients, Layer, Role, State, StateError, Stateful, for_float};

use super::adam_update::{AdamOptions, AdamStep, Corrections, update, update_restarted};
use super::beta_ramp::BetaRamp;
use super::definition::{
    DecayFactors, EffectiveStep, Optimizer, OptimizerKind, OptimizerOptions, SharpnessScale, Sums,
};

/// `adam`.
pub(super) const KIND: OptimizerKind =
    OptimizerKind::of::<AdamOptions>("adam", "Adam, or AdamW with decoupled weight decay");

impl OptimizerOptions for AdamOptions {
    fn check(&self) -> Result<(), OptionError> {
        for (key, decay) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&decay) {
                return Err(OptionError::new(key, decay, "at least 0 and below 1"));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(OptionError::new("epsilon", self.epsilon, "a finite number above 0"));
        }
        self.beta_ramp.map_or(Ok(()), BetaRamp::check)
    }

    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(Adam::new(*self, weight_decay, layers))
    }
}

/// First and second moments of one parameter tensor, in its shape.
#[derive(Debug)]
struct Moments {
    /// The parameter's name.
    name: String,
    role: Role,
    /// m, the decaying mean of gradients.
    first: Tensor,
    /// v, the decaying mean of squared gradients.
    second: Tensor,
    /// The step count at which each element was last restarted, Int64, 0 for none; absent while no element was.
    restarts: Option<Tensor>,
}

/// Adam over the layers of a network.
#[derive(Debug)]
pub struct Adam {
    options: AdamOptions,
    weight_decay: WeightDecay,
    /// Whether a method brought a weight decay beside the optimizer's own, which is refused.
    has_two_decays: bool,
    steps: u64,
    moments: Vec<Vec<Moments>>,
    /// One a layer, whose decays may differ.
    corrections: Vec<Corrections>,
    /// Of the epochs of the present task, those that are over.
    share_of_epochs: f64,
    /// The sums of v over each layer's weight and over all its parameters, if they are known.
    sums: Option<Vec<[f64; 2]>>,
}

impl Adam {
    /// An optimizer with empty moments for these layers.
    pub fn new(options: AdamOptions, weight_decay: WeightDecay, layers: &[Layer]) -> Adam {
        let empty = |layer: &Layer| {
            let moments = layer.parameters.iter().map(|parameter| Moments {
                name: parameter.name.clone(),
                role: parameter.role,
                first: parameter.value.detach().zeros_like(),
                second: parameter.value.detach().zeros_like(),
                restarts: None,
            });
            moments.collect()
        };
        let moments = layers.iter().map(empty).collect();
        let corrections = layers.iter().map(|_| Corrections::default()).collect();
        let has_two_decays = false;
        Adam { options, weight_decay, has_two_decays, steps: 0, moments, corrections, share_of_epochs: 0.0, sums: None }
    }

    /// The same with a decoupled weight decay of its own, beside which a method may bring none.
    pub(super) fn with_own_decay(options: AdamOptions, decay: f64, of_method: WeightDecay, layers: &[Layer]) -> Adam {
        let has_two_decays = of_method != WeightDecay::None;
        Adam { has_two_decays, ..Adam::new(options, WeightDecay::Decoupled(decay), layers) }
    }

    /// The constants that a layer has at present.
    fn of_layer(&self, layer: usize) -> AdamOptions {
        self.options.of_layer(layer, self.share_of_epochs)
    }

    /// 1 - beta1^t and 1 - beta2^t of a layer.
    fn bias_corrections(&self, layer: usize) -> [f64; 2] {
        let AdamOptions { beta1, beta2, .. } = self.of_layer(layer);
        [beta1, beta2].map(|beta| 1.0 - beta.powf(self.steps as f64))
    }

    /// Groups of these layers that follow each other and have the same decays: one, but for where a ramp ends.
    fn alike(&self, layers: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let end = self.options.beta_ramp.map_or(0, |ramp| ramp.layers).clamp(layers.start, layers.end);
        [layers.start..end, end..layers.end].into_iter().filter(|group| !group.is_empty())
    }

    /// sqrt(mean(v) / (1 - beta2^t)) over the weights of some layers; undefined before the first step.
    fn second_moment_rms(&self, layers: Range<usize>) -> Option<f64> {
        let (mut mean, mut all) = (0.0, 0);
        for group in self.alike(layers) {
            let [_, correction] = self.bias_corrections(group.start);
            let (mut sum, mut count) = (0.0, 0);
            for layer in group {
                for Moments { second, .. } in self.moments[layer].iter().filter(|moments| moments.role == Role::Weight)
                {
                    let known = self.sums.as_ref().map(|sums| sums[layer][0]);
                    sum += known.unwrap_or_else(|| second.sum(Kind::Double).double_value(&[]));
                    count += second.numel();
                }
            }
            // The mean over the groups so far.
            all += count;
            mean += (sum / count as f64 / correction - mean) * (count as f64 / all as f64);
        }
        (self.steps > 0).then(|| mean.sqrt())
    }
}

impl Optimizer for Adam {
    fn begin_update(&mut self, share_of_epochs: f64) {
        self.share_of_epochs = share_of_epochs;
    }

    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        self.steps += 1;
        self.sums = None;
        let mut sums = Sums::default();
        for (index, layer) in layers.iter_mut().enumerate() {
            let learning_rate = learning_rates[index];
            let decay = DecayFactors::of(self.weight_decay, learning_rate);
            let step = AdamStep::of(self.of_layer(index), learning_rate, decay, self.steps);
            let corrections = &mut self.corrections[index];
            if self.moments[index].iter().any(|moments| moments.restarts.is_some()) {
                corrections.extend(step.options, self.steps);
            }
            let parameters = layer.parameters.iter_mut().zip(&mut self.moments[index]).zip(&gradients[index]);
            for ((parameter, moments), gradient) in parameters {
                sums.of_step(&mut parameter.value, summarise, |value| {
                    if on_host(value) {
                        for_float!(value, update_tensor(value, gradient, moments, step, corrections));
                    } else {
                        update_elsewhere(value, gradient, moments, step);
                    }
                });
            }
        }
        sums.means(summarise)
    }

    fn step_of_one(&mut self, layers: &mut [Layer], gradients: &[OuterGradient], learning_rates: &[f64]) -> bool {
        if self.moments.iter().flatten().any(|moments| moments.restarts.is_some()) {
            return false;
        }
        self.steps += 1;
        self.sums = None;
        for (index, (layer, gradient)) in layers.iter_mut().zip(gradients).enumerate() {
            let decay = DecayFactors::of(self.weight_decay, learning_rates[index]);
            let step = AdamStep::of(self.of_layer(index), learning_rates[index], decay, self.steps);
            for_float!(gradient.delta, update_of_one(layer, gradient, &mut self.moments[index], step));
        }
        true
    }

    /// None once single elements have begun anew.
    fn memory_mut(&mut self) -> Option<Vec<Vec<&mut Tensor>>> {
        let mut moments = self.moments.iter_mut().flatten();
        moments.try_fold(Vec::new(), |mut all, Moments { first, second, restarts, .. }| {
            all.push(vec![first, second]);
            restarts.is_none().then_some(all)
        })
    }

    fn take_sums(&mut self, sums: &[Vec<[f64; 2]>]) {
        self.sums = sums.get(1).cloned();
    }

    fn begin_step(&mut self, learning_rates: &[f64]) -> Vec<Vec<f64>> {
        self.steps += 1;
        self.sums = None;
        let of_layer = |(layer, &learning_rate): (usize, &f64)| {
            let AdamOptions { beta1, beta2, epsilon, .. } = self.of_layer(layer);
            let [correction1, correction2] = self.bias_corrections(layer);
            let decay = DecayFactors::of(self.weight_decay, learning_rate);
            let (step, root) = (learning_rate / correction1, correction2.sqrt());
            // The root of the second correction stands above the fraction, and needs no pass of its own.
            vec![decay.coupled, decay.shrink, 1.0 - beta1, beta2, 1.0 - beta2, epsilon * root, -step * root]
        };
        learning_rates.iter().enumerate().map(of_layer).collect()
    }

    fn step_together(&self, value: &mut Tensor, gradient: &Tensor, memory: &mut [Tensor], numbers: &[Tensor]) {
        let _guard = tch::no_grad_guard();
        let ([first, second], [coupled, shrink, take1, keep2, take2, epsilon, step]) = (memory, numbers) else {
            panic!("Adam has two moments and seven numbers a layer");
        };
        // On a GPU each of these reads and writes everything once, which is all that it takes time for.
        let gradient = gradient.addcmul(value, coupled);
        let _ = first.lerp_tensor_(&gradient, take1);
        // Not by what lies between: a square that is infinite would be taken from another. It is so as late as it can be.
        let _ = second.g_mul_(keep2).addcmul_(&(&gradient * take2), &gradient);
        let change = &*first / second.sqrt().g_add_(epsilon);
        let _ = value.g_mul_(shrink).addcmul_(&change, step);
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn clear(&mut self) {
        self.steps = 0;
        self.sums = None;
        for moments in self.moments.iter_mut().flatten() {
            let _ = moments.first.zero_();
            let _ = moments.second.zero_();
            moments.restarts = None;
        }
    }

    /// The bias corrections of these entries count from their own restart.
    fn restart(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        let steps = self.steps as i64;
        self.sums = None;
        let Some(moments) = self.moments[layer].iter_mut().find(|moments| moments.role == role) else { return };
        let indices = Tensor::from_slice(indices).to_device(moments.first.device());
        let _ = moments.first.index_fill_(dimension, &indices, 0.0);
        let _ = moments.second.index_fill_(dimension, &indices, 0.0);
        let never = || moments.first.zeros_like().to_kind(Kind::Int64);
        let _ = moments.restarts.get_or_insert_with(never).index_fill_(dimension, &indices, steps);
    }

    fn fits(&self) -> Result<(), &'static str> {
        if self.has_two_decays {
            Err("the optimizer has a weight decay of its own, and the method brings another")
        } else {
            Ok(())
        }
    }

    /// lr / ((1 - beta1^t) (v_rms + eps)), or the mean of that with each element's own root of v (docs/method.md,
    /// equations (5) and (6)). Of layers whose decays differ, the mean over parameters of what each layer's lr / (1 - beta1^t) is.
    fn effective_step(&self, layers: Range<usize>, learning_rate: f64, form: EffectiveStep) -> Option<f64> {
        let epsilon = self.options.epsilon;
        let v_rms = self.second_moment_rms(layers.clone())?;
        let (mut mean, mut all) = (0.0, 0);
        for group in self.alike(layers) {
            let [first, second] = self.bias_corrections(group.start);
            let learning_rate = learning_rate / first;
            let moments = || self.moments[group.clone()].iter().flatten();
            let count: usize = moments().map(|moments| moments.second.numel()).sum();
            let step = match form {
                EffectiveStep::Rms => learning_rate / (v_rms + epsilon),
                EffectiveStep::Elementwise => {
                    let mut sum = 0.0;
                    for moments in moments() {
                        let root = (moments.second.to_kind(Kind::Double) / second).sqrt() + epsilon;
                        sum += root.reciprocal().sum(Kind::Double).double_value(&[]);
                    }
                    learning_rate * sum / count as f64
                }
            };
            all += count;
            mean += (step - mean) * (count as f64 / all as f64);
        }
        Some(mean)
    }

    /// lr / (v_rms + eps) (docs/method.md, equations (8) and (9)).
    fn sharpness_factor(&self, layers: Range<usize>, learning_rates: &[f64], scale: SharpnessScale) -> Option<f64> {
        let epsilon = self.options.epsilon;
        match scale {
            SharpnessScale::Layer => {
                self.second_moment_rms(layers.clone()).map(|v_rms| learning_rates[layers.start] / (v_rms + epsilon))
            }
            SharpnessScale::Global => (self.steps > 0).then(|| {
                let moments = || self.moments.iter().flatten();
                let sum: f64 = match &self.sums {
                    Some(sums) => sums.iter().map(|[_, all]| all).sum(),
                    None => moments().map(|m| m.second.sum(Kind::Double).double_value(&[])).sum(),
                };
                let count: usize = moments().map(|m| m.second.numel()).sum();
                learning_rates[0] / ((sum / count as f64).sqrt() + epsilon)
            }),
        }
    }
}

fn update_tensor<T: Float>(
    value: &mut Tensor,
    gradient: &Tensor,
    moments: &mut Moments,
    step: AdamStep,
    corrections: &Corrections,
) {
    // SAFETY: parameter, gradient and moments are four tensors with memory of their own.
    let (value, gradient, first, second) =
        unsafe { (view_mut::<T>(value), view(gradient), view_mut(&mut moments.first), view_mut(&mut moments.second)) };
    match &moments.restarts {
        None => update(value, gradient, first, second, step),
        // SAFETY: as above; nobody writes to the restarts during a step.
        Some(restarts) => {
            update_restarted(value, gradient, first, second, unsafe { view(restarts) }, step, corrections);
        }
    }
}

/// The same from the gradient of one sample, row by row.
fn update_of_one<T: Float>(layer: &mut Layer, gradient: &OuterGradient, moments: &mut [Moments], step: AdamStep) {
    let ([weight, bias], [of_weight, of_bias]) = (weight_and_bias(layer), moments) else {
        panic!("moments of a weight and a bias")
    };
    // SAFETY: parameters, moments and the gradient's factors are tensors with memory of their own.
    unsafe {
        let (value, first, second) =
            (view_mut::<T>(weight), view_mut::<T>(&mut of_weight.first), view_mut::<T>(&mut of_weight.second));
        gradient.for_rows(|begin, row| {
            let own = begin..begin + row.len();
            update(&mut value[own.clone()], row, &mut first[own.clone()], &mut second[own], step);
        });
        let (first, second) = (view_mut(&mut of_bias.first), view_mut(&mut of_bias.second));
        update(view_mut::<T>(bias), gradient.factors().0, first, second, step);
    }
}

/// The same by tensor operations, wherever the tensors are.
fn update_elsewhere(value: &mut Tensor, gradient: &Tensor, moments: &mut Moments, step: AdamStep) {
    let _guard = tch::no_grad_guard();
    let AdamOptions { beta1, beta2, epsilon, .. } = step.options;
    let gradient = gradient + &*value * step.decay.coupled;
    let Moments { first, second, restarts, .. } = moments;
    let _ = first.g_mul_scalar_(beta1).g_add_(&(&gradient * (1.0 - beta1)));
    let _ = second.g_mul_scalar_(beta2).addcmul_(&(&gradient * (1.0 - beta2)), &gradient);
    let change = match restarts {
        None => {
            let root = second.sqrt() / (1.0 - beta2.powf(step.count as f64)).sqrt() + epsilon;
            &*first / root * (step.learning_rate / (1.0 - beta1.powf(step.count as f64)))
        }
        Some(restarts) => {
            let age = (&*restarts * -1 + step.count as i64).to_kind(value.kind());
            let correction = |beta: f64| -(&age * beta.ln()).exp() + 1.0;
            &*first / correction(beta1) / (second.sqrt() / correction(beta2).sqrt() + epsilon) * step.learning_rate
        }
    };
    let _ = value.g_mul_scalar_(step.decay.shrink).g_sub_(&change);
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
        self.sums = None;
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
