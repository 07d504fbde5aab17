//! Utility-based perturbed gradient descent (UPGD; Elsayed and Mahmood, arXiv 2404.00781): the step of each weight is small where
//! the weight is of use, and what is of no use is perturbed.
//!
//! A weight's utility at an update is -g w, to first order what the loss would rise by without it. What counts is the moving
//! average U, bias-corrected, over the largest of the network, through the logistic function: s = 1 / (1 + exp(-U / max U)),
//! which is the paper's global scaling. With the optimizer's own step d and standard normal noise xi
//!
//! theta <- theta + (d - alpha sigma xi) (1 - s), or without protection theta + d - alpha sigma xi (1 - s).
//!
//! Under `sgd` that is UPGD, under `adam` its Adam form. alpha is the layer's learning rate, g the gradient of the total loss as
//! the optimizer takes it. A weight decay in the optimizer is a part of d. The effective step of measurements and bounds is the
//! optimizer's, without the factor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::Gradients;
use trainability_tensor::layer::{Layer, tensors as values_of};
use trainability_tensor::state::{State, StateError, Stateful};

use super::{Intervention, Network, Surgery, tensors};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};

/// `upgd`: useful weights are protected, others perturbed.
pub(crate) const PART: Part =
    Part::of::<UpgdOptions>("upgd", "the step of a weight shrinks with its utility, and useless weights are perturbed");

/// Options of `upgd`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpgdOptions {
    /// Decay rate of the utility's moving average.
    pub decay: f64,
    /// sigma: the noise's standard deviation, before the learning rate.
    pub noise: f64,
    /// Whether the optimizer's step, too, is smaller for useful weights.
    pub protect: bool,
}

impl Default for UpgdOptions {
    fn default() -> Self {
        UpgdOptions { decay: 0.9999, noise: 0.1, protect: true }
    }
}

impl PartOptions for UpgdOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        check("decay", self.decay, (0.0..1.0).contains(&self.decay), "at least 0 and below 1")?;
        let able = self.noise >= 0.0 && self.noise.is_finite();
        check("noise", self.noise, able, "a finite number, 0 or above")?;
        let idle = self.noise == 0.0 && !self.protect;
        check("noise", self.noise, !idle, "above 0 where `protect` is false: nothing would be left of the method")?;
        Ok(Contribution::Surgery(Box::new(Upgd { options: self, utility: Vec::new(), count: 0, before: Vec::new() })))
    }
}

/// Weights' utilities.
#[derive(Debug)]
struct Upgd {
    options: UpgdOptions,
    /// The moving average of each parameter's utility, not yet corrected for its age.
    utility: Vec<Tensor>,
    /// How many values it is of.
    count: u64,
    /// The parameters before the step of the present update.
    before: Vec<Tensor>,
}

impl Upgd {
    /// 1 - s of each parameter's elements. Where no utility is positive the largest tells nothing, and all are alike.
    fn freedom(&self) -> Vec<Tensor> {
        let correction = 1.0 - self.options.decay.powf(self.count as f64);
        let largest =
            self.utility.iter().map(|utility| utility.max().double_value(&[])).fold(f64::NEG_INFINITY, f64::max);
        let scale = if largest > 0.0 { largest / correction } else { f64::INFINITY };
        self.utility.iter().map(|utility| (utility / (-correction * scale)).sigmoid()).collect()
    }
}

impl Surgery for Upgd {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn begin(&mut self, layers: &[Layer]) {
        let _guard = tch::no_grad_guard();
        self.utility = values_of(layers).map(Tensor::zeros_like).collect();
    }

    fn looks_before_steps(&self) -> bool {
        true
    }

    fn before_step(&mut self, gradients: &Gradients, network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        self.before = tensors::copies(network.layers());
        let products = gradients.iter().flatten().zip(values_of(network.layers())).map(|(g, w)| g * w.detach());
        for (utility, product) in self.utility.iter_mut().zip(products) {
            let _ = utility.g_mul_scalar_(self.options.decay);
            let _ = utility.g_add_(&(product * (self.options.decay - 1.0)));
        }
        self.count += 1;
    }

    fn after_update(&mut self, _update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        let mut freedom = self.freedom().into_iter();
        let mut before = std::mem::take(&mut self.before).into_iter();
        for layer in 0..network.layers().len() {
            let scale = network.learning_rates()[layer] * self.options.noise;
            for parameter in 0..network.layers()[layer].parameters.len() {
                let (freedom, before) = freedom.next().zip(before.next()).expect("a step comes before what follows it");
                let noise = tensors::standard_normal(&before, network.generator()) * scale;
                let value = &mut network.layers_mut()[layer].parameters[parameter].value;
                let step = value.detach() - &before;
                let changed = match self.options.protect {
                    true => before + (step - noise) * freedom,
                    false => before + step - noise * freedom,
                };
                value.copy_(&changed);
            }
        }
    }
}

impl Stateful for Upgd {
    fn save(&self, state: &mut State) {
        tensors::save("utility", &self.utility, state);
        state.put_value("count", &self.count);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        tensors::restore("utility", &mut self.utility, state)?;
        self.count = state.count("count", State::MOST_COUNT)?;
        Ok(())
    }
}
