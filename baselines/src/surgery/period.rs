//! How often a surgery operates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::options::{OptionError, check};

/// The word for the boundary between tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Boundary {
    /// Once a task, before its first update.
    Task,
}

/// `"task"`, or a number of updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "invalid value, expected \"task\" or a number of updates")]
pub(crate) enum Period {
    /// Once a task, before its first update, but not before the first task, which starts fresh anyway. It uses the
    /// task's boundary.
    Boundary(Boundary),
    /// After every so many updates of the run.
    Updates(u64),
}

impl Period {
    /// Once a task.
    pub(crate) const TASK: Period = Period::Boundary(Boundary::Task);

    /// Refuses never.
    ///
    /// # Errors
    /// It is after every 0 updates.
    pub(crate) fn check(self) -> Result<(), OptionError> {
        check("period", 0, self != Period::Updates(0), "\"task\" or a number of updates above 0")
    }

    /// Whether it is due before the first update of a task, counted from 0.
    pub(crate) fn is_due_at_task(self, task: usize) -> bool {
        self == Period::TASK && task > 0
    }

    /// Whether it is due after an update, counted from 1.
    pub(crate) fn is_due_after(self, update: u64) -> bool {
        matches!(self, Period::Updates(every) if update.is_multiple_of(every))
    }
}
