//! Indicators: measurements of a network that are said to predict the loss of trainability.
//!
//! An indicator is one file: a unit type with its [`Definition`], the moment at which it is read, and the computation
//! from an [`Observation`]; one that makes sense for single layers is [`Layerwise`] too. To add one, write the file and
//! name it in [`INDICATORS`].

use rand_chacha::ChaCha8Rng;

automod::dir!("src/indicator");

pub use definition::Definition;
pub use hessian_rank::fisher_rank;
pub use observation::{LayerGradient, Observation, Shared, UpdateSummary};
pub use trainability_record::glossary::Role;

/// Every indicator that is computed from the network, in the order of the columns.
pub const INDICATORS: &[&dyn Indicator] = &[
    &hessian_rank::HessianRank,
    &hessian_spectral_rank::HessianSpectralRank,
    &sharpness::Sharpness,
    &weight_norm::WeightNorm,
    &weight_norm_l2::WeightNormL2,
    &gradient_norm::GradientNorm,
    &gradient_confidence::GradientConfidence,
    &update_norm::UpdateNorm,
    &update_to_weight::UpdateToWeight,
    &unit_sign_entropy::UnitSignEntropy,
    &dead_units::DeadUnits,
    &effective_rank::EffectiveRank,
    &stable_rank::StableRank,
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

/// One measurement.
pub trait Indicator: Sync {
    /// Its column name and meaning.
    fn definition(&self) -> Definition;

    /// The moment at which it is read.
    fn when(&self) -> When;

    /// The value, or `None` where it is undefined.
    fn measure(&self, observation: &Observation, generator: &mut ChaCha8Rng) -> Option<f64>;

    /// The same measurement of single layers, where it makes sense.
    fn layerwise(&self) -> Option<&dyn Layerwise> {
        None
    }
}

/// A measurement of one layer.
pub trait Layerwise {
    /// The value of the layer at `index`, counted from 0, or `None` where it is undefined.
    fn measure_layer(&self, observation: &Observation, index: usize) -> Option<f64>;
}

/// The mean over hidden layers; undefined if one of them is, or where there is none.
fn mean_over_hidden(indicator: &dyn Layerwise, observation: &Observation) -> Option<f64> {
    let count = observation.hidden().len();
    let values: Option<Vec<f64>> = (0..count).map(|index| indicator.measure_layer(observation, index)).collect();
    values.filter(|_| count > 0).map(|values| values.iter().sum::<f64>() / count as f64)
}
