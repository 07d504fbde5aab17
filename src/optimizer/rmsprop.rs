//! RMSprop (Tieleman and Hinton 2012, lecture 6.5 of *Neural Networks for Machine Learning*), with the centred form and the momentum of
//! Graves (arXiv 1308.0850), by PyTorch's rule: v <- a v + (1 - a) g^2, b <- m b + g / (sqrt(v) + eps), theta <- theta - lr b.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trainability_baselines::indicator::UpdateSummary;
use trainability_baselines::options::OptionError;
use trainability_baselines::weight_decay::WeightDecay;
use trainability_tensor::{Gradients, Layer, Role, State, StateError, Stateful};

use super::definition::{
    DecayFactors, EffectiveStep, Optimizer, OptimizerKind, OptimizerOptions, SharpnessScale, Sums, flush,
};

/// `rmsprop`.
pub(super) const KIND: OptimizerKind = OptimizerKind::of::<RmsPropOptions>(
    "rmsprop",
    "RMSprop: each gradient over the root of its mean square, with momentum or centred if so wanted",
);

/// Constants of RMSprop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RmsPropOptions {
    /// How much of the mean square is kept at each step.
    pub alpha: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// m: how much of the accumulated steps is kept at each step; 0 is none.
    pub momentum: f64,
    /// Whether the square of the mean gradient is taken from the mean square, which leaves the variance.
    pub centered: bool,
}

impl Default for RmsPropOptions {
    fn default() -> Self {
        RmsPropOptions { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false }
    }
}

impl OptimizerOptions for RmsPropOptions {
    fn check(&self) -> Result<(), OptionError> {
        for (key, kept) in [("alpha", self.alpha), ("momentum", self.momentum)] {
            if !(0.0..1.0).contains(&kept) {
                return Err(OptionError::new(key, kept, "at least 0 and below 1"));
            }
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(OptionError::new("epsilon", self.epsilon, "a finite number above 0"));
        }
        Ok(())
    }

    fn build(&self, weight_decay: WeightDecay, layers: &[Layer]) -> Box<dyn Optimizer> {
        Box::new(RmsProp::new(*self, weight_decay, layers))
    }
}

/// What is remembered of one parameter tensor, in its shape.
#[derive(Debug)]
struct Averages {
    /// The parameter's name.
    name: String,
    role: Role,
    /// v, the decaying mean of squared gradients.
    square: Tensor,
    /// The decaying mean of gradients, of the centred form alone.
    mean: Option<Tensor>,
    /// b, the accumulated steps, if there is momentum.
    momentum: Option<Tensor>,
}

impl Averages {
    /// All of them, by PyTorch's names.
    fn tensors(&self) -> impl Iterator<Item = (&'static str, &Tensor)> {
        let optional = [("grad_avg", self.mean.as_ref()), ("momentum_buffer", self.momentum.as_ref())];
        let optional = optional.into_iter().filter_map(|(name, tensor)| Some((name, tensor?)));
        [("square_avg", &self.square)].into_iter().chain(optional)
    }

    /// v, or what the centred form has in its place: rounding makes no negative number of it, whose root is none.
    fn scale(&self, kind: Kind) -> Tensor {
        let square = self.square.to_kind(kind);
        match &self.mean {
            None => square,
            Some(mean) => (square - mean.to_kind(kind).square()).clamp_min(0.0),
        }
    }

    fn update(
        &mut self,
        value: &mut Tensor,
        gradient: &Tensor,
        options: RmsPropOptions,
        learning_rate: f64,
        decay: DecayFactors,
    ) {
        let RmsPropOptions { alpha, epsilon, momentum: keep, .. } = options;
        let gradient = gradient + &*value * decay.coupled;
        let _ = self.square.g_mul_scalar_(alpha).addcmul_(&(&gradient * (1.0 - alpha)), &gradient);
        flush(&mut self.square);
        if let Some(mean) = &mut self.mean {
            let _ = mean.lerp_(&gradient, 1.0 - alpha);
            flush(mean);
        }
        let own = &gradient / (self.scale(value.kind()).sqrt() + epsilon);
        let change = match &mut self.momentum {
            None => own,
            Some(momentum) => {
                let _ = momentum.g_mul_scalar_(keep).g_add_(&own);
                flush(momentum);
                momentum.shallow_clone()
            }
        };
        let _ = value.g_mul_scalar_(decay.shrink).g_sub_(&(change * learning_rate));
    }
}

/// RMSprop over the layers of a network.
#[derive(Debug)]
struct RmsProp {
    options: RmsPropOptions,
    weight_decay: WeightDecay,
    steps: u64,
    averages: Vec<Vec<Averages>>,
}

impl RmsProp {
    /// An optimizer without a past for these layers.
    fn new(options: RmsPropOptions, weight_decay: WeightDecay, layers: &[Layer]) -> RmsProp {
        let empty = |layer: &Layer| {
            let averages = layer.parameters.iter().map(|parameter| {
                let zeros = || parameter.value.detach().zeros_like();
                Averages {
                    name: parameter.name.clone(),
                    role: parameter.role,
                    square: zeros(),
                    mean: options.centered.then(zeros),
                    momentum: (options.momentum > 0.0).then(zeros),
                }
            });
            averages.collect()
        };
        RmsProp { options, weight_decay, steps: 0, averages: layers.iter().map(empty).collect() }
    }

    /// The root of the mean of v over the parameters of some layers that are wanted; undefined before the first step.
    fn root_mean_square(&self, layers: Range<usize>, wanted: fn(Role) -> bool) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0);
        for averages in self.averages[layers].iter().flatten().filter(|averages| wanted(averages.role)) {
            sum += averages.scale(Kind::Double).sum(Kind::Double).double_value(&[]);
            count += averages.square.numel();
        }
        (self.steps > 0).then(|| (sum / count as f64).sqrt())
    }
}

impl Optimizer for RmsProp {
    fn step(
        &mut self,
        layers: &mut [Layer],
        gradients: &Gradients,
        learning_rates: &[f64],
        summarise: bool,
    ) -> Option<UpdateSummary> {
        let _guard = tch::no_grad_guard();
        self.steps += 1;
        let mut sums = Sums::default();
        for (index, layer) in layers.iter_mut().enumerate() {
            let (rate, options) = (learning_rates[index], self.options);
            let decay = DecayFactors::of(self.weight_decay, rate);
            let parameters = layer.parameters.iter_mut().zip(&mut self.averages[index]).zip(&gradients[index]);
            for ((parameter, averages), gradient) in parameters {
                let value = &mut parameter.value;
                sums.of_step(value, summarise, |value| averages.update(value, gradient, options, rate, decay));
            }
        }
        sums.means(summarise)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn clear(&mut self) {
        self.steps = 0;
        let averages = self.averages.iter().flatten();
        averages.flat_map(Averages::tensors).for_each(|(_, tensor)| drop(tensor.shallow_clone().zero_()));
    }

    fn restart(&mut self, layer: usize, role: Role, dimension: i64, indices: &[i64]) {
        let Some(averages) = self.averages[layer].iter().find(|averages| averages.role == role) else { return };
        let indices = Tensor::from_slice(indices).to_device(averages.square.device());
        for (_, tensor) in averages.tensors() {
            let _ = tensor.shallow_clone().index_fill_(dimension, &indices, 0.0);
        }
    }

    /// lr (1 - m^t) / ((1 - m) (v_rms + eps)), or the mean of that with each element's own root of v (docs/method.md, equations
    /// (43) and (44)).
    fn effective_step(&self, layers: Range<usize>, learning_rate: f64, form: EffectiveStep) -> Option<f64> {
        let RmsPropOptions { epsilon, momentum, .. } = self.options;
        let v_rms = self.root_mean_square(layers.clone(), |role| role == Role::Weight)?;
        let reciprocal = match form {
            EffectiveStep::Rms => 1.0 / (v_rms + epsilon),
            EffectiveStep::Elementwise => {
                let (mut sum, mut count) = (0.0, 0);
                for averages in self.averages[layers].iter().flatten() {
                    let root = averages.scale(Kind::Double).sqrt() + epsilon;
                    sum += root.reciprocal().sum(Kind::Double).double_value(&[]);
                    count += averages.square.numel();
                }
                sum / count as f64
            }
        };
        Some(learning_rate * (1.0 - momentum.powf(self.steps as f64)) / (1.0 - momentum) * reciprocal)
    }

    /// lr / ((1 - m) (v_rms + eps)) (docs/method.md, equation (45)).
    fn sharpness_factor(&self, layers: Range<usize>, learning_rates: &[f64], scale: SharpnessScale) -> Option<f64> {
        let (rate, root) = match scale {
            SharpnessScale::Layer => {
                (learning_rates[layers.start], self.root_mean_square(layers, |role| role == Role::Weight)?)
            }
            SharpnessScale::Global => (learning_rates[0], self.root_mean_square(0..self.averages.len(), |_| true)?),
        };
        Some(rate / (1.0 - self.options.momentum) / (root + self.options.epsilon))
    }
}

impl Stateful for RmsProp {
    fn save(&self, state: &mut State) {
        state.put_value("steps", &self.steps);
        for averages in self.averages.iter().flatten() {
            averages
                .tensors()
                .for_each(|(name, tensor)| state.put_tensor(&format!("{}.{name}", averages.name), tensor));
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.steps = state.count("steps", State::MOST_COUNT)?;
        for averages in self.averages.iter().flatten() {
            for (name, tensor) in averages.tensors() {
                state.copy_into(&format!("{}.{name}", averages.name), &mut tensor.shallow_clone())?;
            }
        }
        Ok(())
    }
}
