//! How often a schedule acted.

use trainability_record::LayerEvents;

use crate::schedule::Action;

/// Counts what the schedule did to a layer.
pub(super) fn count(events: &mut LayerEvents, action: Action) {
    match action {
        Action::Cooled => events.cooled += 1,
        Action::Warmed => events.warmed += 1,
        Action::Held => events.held += 1,
        Action::Undefined => {
            events.held += 1;
            events.undefined += 1;
        }
    }
}
