//! Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167): each unit by its mean and variance over the minibatch.
//!
//! Updates standardise by the minibatch's own mean and biased variance, and move running averages of the mean and of the
//! unbiased variance towards them, by which everything that evaluates standardises: PyTorch's rules. Where PyTorch refuses,
//! at an update of a single sample, which has no variance, that sample is standardised by the running averages and leaves
//! them as they are.
//!
//! Other interventions than replaced units and a reset leave the running averages alone: they follow within some updates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{Mode, Normalization};
use crate::options::{OptionError, check, check_positive};
use crate::part::{Contribution, Part, PartOptions};
use trainability_tensor::layer::Layer;
use trainability_tensor::state::{State, StateError, Stateful};

/// `batch_norm`: normalises each unit before the activation.
pub(crate) const PART: Part =
    Part::of::<BatchNormOptions>("batch_norm", "each unit is normalised over the minibatch before the activation");

/// Options of `batch_norm`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BatchNormOptions {
    /// Added to the variance.
    pub epsilon: f64,
    /// The weight of a minibatch's statistics in the running averages.
    pub momentum: f64,
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        BatchNormOptions { epsilon: 1e-5, momentum: 0.1 }
    }
}

impl PartOptions for BatchNormOptions {
    fn build(self) -> Result<Contribution, OptionError> {
        check_positive("epsilon", self.epsilon)?;
        check("momentum", self.momentum, self.momentum > 0.0 && self.momentum <= 1.0, "above 0 and at most 1")?;
        Ok(Contribution::Normalization(Box::new(BatchNorm { options: self, running: Vec::new() })))
    }
}

/// Standardises over the minibatch, and remembers running averages.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    options: BatchNormOptions,
    /// One a hidden layer.
    running: Vec<Running>,
}

/// Running averages over the units of a layer, in the precision of its parameters.
#[derive(Debug)]
struct Running {
    /// The layer's name.
    layer: String,
    mean: Tensor,
    variance: Tensor,
}

impl Normalization for BatchNorm {
    fn name(&self) -> &'static str {
        PART.name
    }

    fn begin(&mut self, hidden: &[Layer]) {
        let fresh = |layer: &Layer| {
            let bias = layer.bias().expect("a layer of a network has a bias").detach();
            Running { layer: layer.name.clone(), mean: bias.zeros_like(), variance: bias.ones_like() }
        };
        self.running = hidden.iter().map(fresh).collect();
    }

    fn standardise(&self, layer: usize, pre_activation: &Tensor, mode: Mode) -> Tensor {
        let Running { mean, variance, .. } = &self.running[layer];
        let own = mode == Mode::Training && pre_activation.size()[0] > 1;
        // Given the running averages together with the minibatch's own, libtorch would move them by itself.
        let (mean, variance) = if own { (None, None) } else { (Some(mean), Some(variance)) };
        let BatchNormOptions { epsilon, momentum } = self.options;
        pre_activation.batch_norm(None::<&Tensor>, None, mean, variance, own, momentum, epsilon, false)
    }

    fn follow(&mut self, layer: usize, pre_activation: &Tensor) {
        if pre_activation.size()[0] < 2 {
            return;
        }
        let _guard = tch::no_grad_guard();
        let momentum = self.options.momentum;
        let Running { mean, variance, .. } = &mut self.running[layer];
        let (own_variance, own_mean) = pre_activation.var_mean_dim([0i64].as_slice(), true, false);
        for (running, own) in [(mean, own_mean), (variance, own_variance)] {
            let _ = running.g_mul_scalar_(1.0 - momentum).g_add_(&(own * momentum));
        }
    }

    fn restart_units(&mut self, layer: usize, units: &[i64]) {
        let Running { mean, variance, .. } = &mut self.running[layer];
        let units = Tensor::from_slice(units).to_device(mean.device());
        let _ = mean.index_fill_(0, &units, 0.0);
        let _ = variance.index_fill_(0, &units, 1.0);
    }

    fn couples_samples(&self) -> bool {
        true
    }
}

impl Stateful for BatchNorm {
    fn save(&self, state: &mut State) {
        for Running { layer, mean, variance } in &self.running {
            state.put_tensor(&format!("{layer}.running_mean"), mean);
            state.put_tensor(&format!("{layer}.running_variance"), variance);
        }
    }

    fn restore(&mut self, state: &State) -> Result<(), StateError> {
        self.running.iter_mut().try_for_each(|Running { layer, mean, variance }| {
            state.copy_into(&format!("{layer}.running_mean"), mean)?;
            state.copy_into(&format!("{layer}.running_variance"), variance)
        })
    }
}
