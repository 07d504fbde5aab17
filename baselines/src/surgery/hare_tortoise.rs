//! Hare and tortoise (Lee et al., arXiv 2406.02596): a second network, the tortoise, follows the parameters of the one that is
//! trained, the hare, as their moving average; from time to time the hare is put back to where the tortoise is.
//!
//! It is the hare that is trained, measured and evaluated. Its optimizer keeps its moments. Averages that a normalisation
//! remembers belong to the hare and stay.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use trainability_tensor::layer::Layer;
use trainability_tensor::state::{State, StateError, Stateful};

use super::period::Period;
use super::{Intervention, Network, Surgery, tensors};
use crate::options::{OptionError, check};
use crate::part::{Contribution, Part, PartOptions};

/// `hare_tortoise`: now and then back to the average.
pub(crate) const PART: Part = Part::of::<HareTortoiseOptions>(
    "hare_tortoise",
    "once a task, or after some updates, the parameters are put back to their moving average",
);

/// Options of `hare_tortoise`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HareTortoiseOptions {
    /// mu: the tortoise is mu times itself and 1 - mu times the hare after each update.
    pub momentum: f64,
    /// How often the hare is put back: once a `task`, or after every so many updates.
    pub period: Period,
}

impl Default for HareTortoiseOptions {
    fn default() -> Self {
        HareTortoiseOptions { momentum: 0.999, period: Period::TASK }
    }
}

impl PartOptions for HareTortoiseOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        check("momentum", self.momentum, self.momentum > 0.0 && self.momentum < 1.0, "above 0 and below 1")?;
        self.period.check()?;
        Ok(Contribution::Surgery(Box::new(HareTortoise { options: self, tortoise: Vec::new() })))
    }
}

/// tortoise <- mu tortoise + (1 - mu) hare, and now and then hare <- tortoise.
#[derive(Debug)]
struct HareTortoise {
    options: HareTortoiseOptions,
    /// As the parameters lie.
    tortoise: Vec<Tensor>,
}

impl HareTortoise {
    fn put_back(&self, network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        tensors::parameters(network.layers_mut()).zip(&self.tortoise).for_each(|(hare, tortoise)| hare.copy_(tortoise));
    }
}

impl Surgery for HareTortoise {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn intervention(&self) -> Intervention {
        Intervention::Perturbation
    }

    fn begin(&mut self, layers: &[Layer]) {
        self.tortoise = tensors::copies(layers);
    }

    fn at_task_start(&mut self, task: usize, network: &mut dyn Network) {
        if self.options.period.is_due_at_task(task) {
            self.put_back(network);
        }
    }

    fn after_update(&mut self, update: u64, _activations: &[Tensor], network: &mut dyn Network) {
        let _guard = tch::no_grad_guard();
        for (hare, tortoise) in tensors::parameters(network.layers_mut()).zip(&mut self.tortoise) {
            let _ = tortoise.lerp_(hare, 1.0 - self.options.momentum);
        }
        if self.options.period.is_due_after(update) {
            self.put_back(network);
        }
    }
}

impl Stateful for HareTortoise {
    fn save(&self, state: &mut State) {
        tensors::save("tortoise", &self.tortoise, state);
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        tensors::restore("tortoise", &mut self.tortoise, state)
    }
}
