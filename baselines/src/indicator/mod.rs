//! Indicators: measurements of a network that are said to predict the loss of trainability.
//!
//! An indicator is one file: a unit type with its [`Definition`], the moment at which it is read, and the computation
//! from an [`Observation`]; one that makes sense for single layers is [`Layerwise`] too. To add one, write the file and
//! name it in [`crate::registry::INDICATORS`].

pub mod dead_units;
mod definition;
pub mod effective_rank;
pub mod gradient_confidence;
pub mod gradient_norm;
pub mod hessian_rank;
pub mod hessian_spectral_rank;
mod measurement;
mod observation;
pub mod sharpness;
pub mod stable_rank;
pub mod unit_sign_entropy;
pub mod update_norm;
pub mod update_to_weight;
pub mod weight_norm;
pub mod weight_norm_l2;

pub use definition::{Definition, IndicatorRole, Level};
pub use measurement::{Indicator, Layerwise, When};
pub use observation::{LayerGradient, Observation, Shared, UpdateSummary};
