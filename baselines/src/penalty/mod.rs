//! Penalties and decays that the optimizer applies, one a file.

use tch::Tensor;

pub mod adamw;
pub mod anti_regularization;
pub mod l2_adam;
pub mod l2_init;
pub mod l2_loss;
pub(crate) mod parseval;
pub mod spectral;
pub mod wasserstein;

pub use crate::part::curvature::{self, Curvature};
pub use crate::part::penalty::{Elapsed, Penalty, Pull};

/// What `begin` has kept of a parameter.
fn kept<'a>(tensors: &'a [(String, Tensor)], name: &str) -> &'a Tensor {
    let found = tensors.iter().find(|(known, _)| known == name);
    &found.unwrap_or_else(|| panic!("`begin` has not seen {name}")).1
}

/// The options of a penalty that has a coefficient alone.
#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CoefficientOptions {
    /// lambda: the weight of the term in the loss, or the rate of the weight decay.
    pub coefficient: f64,
}

impl Default for CoefficientOptions {
    fn default() -> Self {
        CoefficientOptions { coefficient: 1e-3 }
    }
}
