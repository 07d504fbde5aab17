//! The optimizers that there are. To add one, write its file and name it here.

use super::definition::OptimizerKind;
#[cfg(test)]
use super::tests::sign;
use super::{adam, adamw, muon, rmsprop, sgd};

/// Every optimizer that a configuration can name, the default first.
pub const OPTIMIZERS: &[&OptimizerKind] = &[
    &adam::KIND,
    &sgd::KIND,
    &adamw::KIND,
    &rmsprop::KIND,
    &muon::KIND,
    // The book's example has to pass what every optimizer has to.
    #[cfg(test)]
    &sign::KIND,
];

/// The optimizer of that name.
pub fn optimizer(name: &str) -> Option<&'static OptimizerKind> {
    OPTIMIZERS.iter().copied().find(|kind| kind.name == name)
}
