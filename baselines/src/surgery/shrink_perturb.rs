//! Shrink and perturb (Ash and Adams, arXiv 1910.08475): theta <- (1 - a) theta + noise, for all parameters: weights and
//! biases, and a normalisation's gains and shifts, so that gains shrink towards 0 as well. The optimizer's moments and a
//! normalisation's running averages stay.
//!
//! The noise is Gaussian, or a fresh network: weights drawn from their initial distribution, which knows each layer's
//! scale, gains of 1, and nothing for biases and shifts, which begin at 0.

use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::Role;

use super::{Intervention, Network, Surgery};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::state::Stateful;

/// `shrink_perturb`: shrinks all parameters and adds noise.
pub(crate) const PART: Part = Part::of::<ShrinkPerturbOptions>(
    "shrink_perturb",
    "once a task, or at each update, all parameters shrink and noise is added",
);

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Per {
    /// Before the first update of each task but the first, which begins fresh anyway. This uses the task boundary.
    #[default]
    Task,
    /// After each update.
    Update,
}

/// What is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Perturbation {
    /// Independent normal values.
    #[default]
    Gaussian,
    /// Fresh initial parameters.
    Initialisation,
}

/// Options of `shrink_perturb`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ShrinkPerturbOptions {
    /// How often.
    pub per: Per,
    /// What is added.
    pub noise: Perturbation,
    /// a: the factor on the parameters; by default 0.4. Required with `per` = `update`.
    pub shrink: Option<f64>,
    /// The factor on the noise, its standard deviation if it is Gaussian. By default 0.01 for Gaussian noise, and a for
    /// fresh parameters. Required with `per` = `update`.
    pub scale: Option<f64>,
}

impl PartOptions for ShrinkPerturbOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        for (key, given) in [("shrink", self.shrink), ("scale", self.scale)] {
            let expected = "a number of your own: the defaults are for once a task, and too much for each update";
            check(key, "left out", self.per == Per::Task || given.is_some(), expected)?;
        }
        let shrink = self.shrink.unwrap_or(0.4);
        check("shrink", shrink, shrink > 0.0 && shrink <= 1.0, "above 0 and at most 1")?;
        let usual = if self.noise == Perturbation::Gaussian { 0.01 } else { shrink };
        let scale = self.scale.unwrap_or(usual);
        check("scale", scale, scale >= 0.0 && scale.is_finite(), "a finite number, 0 or above")?;
        Ok(Contribution::Surgery(Box::new(ShrinkPerturb { per: self.per, noise: self.noise, shrink, scale })))
    }
}

/// theta <- (1 - shrink) theta + scale * noise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShrinkPerturb {
    per: Per,
    noise: Perturbation,
    shrink: f64,
    scale: f64,
}

impl ShrinkPerturb {
    fn operate(self, network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        for layer in 0..network.layers().len() {
            let roles: Vec<Role> = network.layers()[layer].parameters.iter().map(|parameter| parameter.role).collect();
            for role in roles {
                let noise = self.noise(layer, role, network);
                let Some(value) = network.layers_mut()[layer].parameter_mut(role) else { continue };
                let _ = value.g_mul_scalar_(1.0 - self.shrink);
                let _ = value.g_add_(&(noise * self.scale));
            }
        }
    }

    fn noise(self, layer: usize, role: Role, network: &mut dyn Network) -> Tensor {
        let value = network.layers()[layer].parameter(role).expect("a role that the layer has");
        let (shape, kind, device) = (value.size(), value.kind(), value.device());
        match self.noise {
            Perturbation::Gaussian => {
                let generator = network.generator();
                let count = shape.iter().product::<i64>() as usize;
                let values: Vec<f64> = (0..count).map(|_| StandardNormal.sample(&mut *generator)).collect();
                Tensor::from_slice(&values).view(shape.as_slice()).to_kind(kind).to_device(device)
            }
            Perturbation::Initialisation if role == Role::Weight => network.draw_weights(layer, shape[0] as usize),
            Perturbation::Initialisation => value.full_like(role.start()),
        }
    }
}

impl Surgery for ShrinkPerturb {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if self.per == Per::Task && task > 0 {
            self.operate(network);
        }
    }

    fn after_update(&mut self, _update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        if self.per == Per::Update {
            self.operate(network);
        }
    }
}

impl Stateful for ShrinkPerturb {}
