//! Optimizers with one learning rate a layer, each of which knows its own effective step.
//!
//! An optimizer is one file with its options and a `KIND` of its own, named in [`OPTIMIZERS`].

mod adam;
mod adam_update;
mod adamw;
mod beta_ramp;
mod definition;
mod muon;
mod registry;
mod rmsprop;
mod sgd;

#[cfg(test)]
mod tests;

pub use adam::Adam;
pub use adam_update::AdamOptions;
pub use adamw::AdamWOptions;
pub use beta_ramp::BetaRamp;
pub use definition::EffectiveStep;
pub use definition::Optimizer;
pub use definition::OptimizerFactory;
pub use definition::OptimizerKind;
pub use definition::OptimizerOptions;
pub use definition::SharpnessScale;
pub use muon::{FirstWeight, MuonOptions, MuonScale};
pub use registry::{OPTIMIZERS, optimizer};
pub use rmsprop::RmsPropOptions;
pub use sgd::Sgd;
pub use sgd::SgdOptions;
