//! Indicators: measurements of a network that are said to predict the loss of trainability.
//!
//! An indicator is one file: a unit type with its [`Definition`], the moment at which it is read, and the computation
//! from an [`Observation`]; one that makes sense for single layers is [`Layerwise`] too. To add one, write the file and
//! name it in [`crate::registry::INDICATORS`].

pub mod dead_units;
mod definition;
pub mod distance_from_initialisation;
pub mod dormant_units;
pub mod effective_rank;
pub mod feature_norm;
pub mod gradient_confidence;
pub mod gradient_norm;
pub mod hessian_epsilon_rank;
pub mod hessian_rank;
pub mod hessian_spectral_rank;
mod measurement;
pub mod ntk_condition_number;
pub mod ntk_effective_rank;
mod observation;
pub mod sample_plasticity;
pub mod sharpness;
pub mod stable_rank;
pub mod unit_sign_entropy;
pub mod update_norm;
pub mod update_to_weight;
pub mod weight_isometry_distance;
pub mod weight_norm;
pub mod weight_norm_l2;
pub mod weight_rank;
pub mod weight_smallest_singular_value;

pub use definition::{Definition, IndicatorRole, Level};
pub use measurement::{Indicator, Layerwise, When};
pub use observation::{LayerGradient, Observation, Shared, UpdateSummary};
