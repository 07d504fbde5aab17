//! Indicators: measurements of a network that are said to predict the loss of trainability.
//!
//! An indicator is one file: a unit type with its [`Definition`], the moment at which it is read, and the computation
//! from an [`Observation`]. To add one, write the file and name it in [`INDICATORS`].

use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::activation::Activation;
use crate::lanczos::{LanczosOptions, SymmetricOperator};
use crate::layers::{LayerParameters, LayerTrace};

mod dead_units;
mod definition;
mod effective_rank;
mod gradient_norm;
mod hessian_rank;
mod sharpness;
mod unit_sign_entropy;
mod update_norm;
mod update_to_weight;
mod weight_norm;

pub use definition::{Definition, Role};
pub use hessian_rank::fisher_rank;

/// Every indicator that is computed from the network, in the order of the columns.
pub const INDICATORS: &[&dyn Indicator] = &[
    &hessian_rank::HessianRank,
    &sharpness::Sharpness,
    &weight_norm::WeightNorm,
    &gradient_norm::GradientNorm,
    &update_norm::UpdateNorm,
    &update_to_weight::UpdateToWeight,
    &unit_sign_entropy::UnitSignEntropy,
    &dead_units::DeadUnits,
    &effective_rank::EffectiveRank,
];

/// The definitions of [`INDICATORS`].
pub fn definitions() -> impl Iterator<Item = Definition> {
    INDICATORS.iter().map(|indicator| indicator.definition())
}

/// The moment at which an indicator is read, which is also its cost class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once a task, on the probe batch, after relabelling and before the first update.
    TaskStart,
    /// At each measured update, on its minibatch; the task's value is the mean.
    MeasuredUpdate,
    /// Once a task, on the probe batch, after the last update.
    TaskEnd,
}

/// Means over all parameters of the network, taken in the optimizer's step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UpdateSummary {
    /// mean |delta theta|.
    pub mean_absolute_update: f64,
    /// mean |theta| before the update.
    pub mean_absolute_weight: f64,
}

/// What indicators may look at. What a moment does not offer is `None`.
pub struct Observation<'a> {
    /// The parameters.
    pub layers: &'a [LayerParameters],
    /// The activation between layers.
    pub activation: &'a dyn Activation,
    /// Input and pre-activation of each layer on B samples, without graph; the last layer's are the logits.
    pub trace: &'a [LayerTrace],
    /// For each layer, the gradient of each sample's own cross-entropy at the pre-activation, B x out.
    pub deltas: Option<&'a [Tensor]>,
    /// Squared L2 norm of the gradient of the total loss.
    pub gradient_sq_norm: Option<f64>,
    /// The size of the update just made.
    pub update: Option<UpdateSummary>,
    /// The Hessian of the total loss over all parameters.
    pub hessian: Option<&'a dyn SymmetricOperator>,
    /// When an iterative computation may stop.
    pub lanczos: LanczosOptions,
}

impl Observation<'_> {
    /// The layers whose units are hidden: all but the last.
    pub fn hidden(&self) -> &[LayerTrace] {
        &self.trace[..self.trace.len().saturating_sub(1)]
    }
}

/// One measurement.
pub trait Indicator: Sync {
    /// Its column name and meaning.
    fn definition(&self) -> Definition;

    /// The moment at which it is read.
    fn when(&self) -> When;

    /// The value, or `None` where it is undefined.
    fn measure(&self, observation: &Observation, generator: &mut ChaCha8Rng) -> Option<f64>;
}

/// The mean, or `None` of nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len();
    (count > 0).then(|| values.sum::<f64>() / count as f64)
}
