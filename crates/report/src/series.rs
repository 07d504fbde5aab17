//! A finished run as the analysis sees it: named columns, one value a task, no files and no tensors.

use std::collections::BTreeMap;

/// The method that starts afresh at every task: the ceiling that the others are held against.
pub(crate) const CEILING: &str = "reset";
/// The schedule that other schedules of the same method are compared with: `constant` without options, at the run's base
/// rate. A constant rate of another value has another label, and is an arm like any other.
pub(crate) const CONTROL: &str = "constant";

/// The identity of an arm: everything but the seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Arm {
    /// The method's label.
    pub method: String,
    /// The schedule's label.
    pub schedule: String,
}

/// The per-task values of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Method and schedule.
    pub arm: Arm,
    /// The seed; equal seeds mean equal images, labels and order in every arm.
    pub seed: u64,
    /// Columns of `tasks.csv` by name, a value a task; `None` is an undefined value.
    pub columns: BTreeMap<String, Vec<Option<f64>>>,
}

impl Series {
    /// The column's values, or an empty slice when the run has no such column.
    pub(crate) fn column(&self, name: &str) -> &[Option<f64>] {
        self.columns.get(name).map_or(&[], Vec::as_slice)
    }

    /// Online accuracy of each task, the outcome that everything is scored against.
    pub(crate) fn online_accuracy(&self) -> &[Option<f64>] {
        self.column("online_accuracy")
    }
}
