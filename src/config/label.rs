//! Names of sweeps, methods and schedules: they become folders, by the rules of [`trainability_record::label`].

use trainability_record::label::{RULE, is_valid};

use super::{ConfigError, Experiment};

/// Refuses the label of the entry at `key` if it cannot be a folder, or is not free: the name of something else.
pub(super) fn check(experiment: &Experiment, key: &str, label: &str, free: bool) -> Result<(), ConfigError> {
    let refuse = |expected: &str| Err(experiment.refuse(&format!("{key}.label"), format!("{label:?}"), expected));
    match (is_valid(label), free) {
        (false, _) => refuse(RULE),
        (true, false) => refuse("a label that is not the name of something else"),
        (true, true) => Ok(()),
    }
}
