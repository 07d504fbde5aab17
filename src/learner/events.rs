//! How often a schedule acted.

use serde::{Deserialize, Serialize};

use crate::schedule::Action;

/// How often a schedule acted on one layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerEvents {
    /// The layer's name, such as `fc1`.
    pub layer: String,
    /// Control events that lowered the layer's learning rate.
    pub cooled: u64,
    /// Control events that raised it.
    pub warmed: u64,
    /// Control events that left it alone.
    pub held: u64,
    /// The part of `held` in which the bound was undefined, so that nothing could be decided.
    pub undefined: u64,
}

impl LayerEvents {
    /// None yet.
    pub(super) fn of(layer: &str) -> LayerEvents {
        LayerEvents { layer: layer.to_owned(), ..LayerEvents::default() }
    }

    pub(super) fn count(&mut self, action: Action) {
        match action {
            Action::Cooled => self.cooled += 1,
            Action::Warmed => self.warmed += 1,
            Action::Held => self.held += 1,
            Action::Undefined => {
                self.held += 1;
                self.undefined += 1;
            }
        }
    }
}
