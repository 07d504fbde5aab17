//! A finished run as the analysis sees it: named columns, one value a task, no files and no tensors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use trainability_stats::aggregate::mean;
use trainability_stats::gaps::{all_defined, defined};

/// The method that starts afresh at every task: the ceiling that the others are held against.
pub(crate) const CEILING: &str = "reset";
/// The schedule that other schedules of the same method are compared with: `constant` without options, at the run's base
/// rate. A constant rate of another value has another label, and is an arm like any other.
pub(crate) const CONTROL: &str = "constant";
/// The column of the effective step in `controls.csv`.
pub(crate) const EFFECTIVE_STEP: &str = "effective_step";

/// The identity of an arm: everything but the seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Arm {
    /// The method's label.
    pub method: String,
    /// The schedule's label.
    pub schedule: String,
}

impl Arm {
    /// The same method under the schedule that others are compared with.
    pub(crate) fn control(&self) -> Self {
        Self { method: self.method.clone(), schedule: CONTROL.to_owned() }
    }

    /// As figures name it.
    pub(crate) fn heading(&self) -> String {
        format!("{} · {}", self.method, self.schedule)
    }
}

/// As sentences name it.
impl fmt::Display for Arm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.method, self.schedule)
    }
}

/// The per-task values of one run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Method and schedule.
    pub arm: Arm,
    /// The seed; equal seeds mean equal images, labels and order in every arm.
    pub seed: u64,
    /// Columns of `tasks.csv` by name, a value a task; `None` is an undefined value. Copies of a series share them.
    pub columns: Arc<BTreeMap<String, Vec<Option<f64>>>>,
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

    /// A column at each task beside the online accuracy of the next, where both are defined.
    pub(crate) fn before_next(&self, name: &str) -> impl Iterator<Item = (f64, f64)> {
        let pairs = self.column(name).iter().zip(self.online_accuracy().iter().skip(1));
        pairs.filter_map(|(value, next)| defined(*value).zip(defined(*next)))
    }

    /// The mean online accuracy over all tasks, if it is defined at each.
    pub(crate) fn score(&self) -> Option<f64> {
        mean(&all_defined(self.online_accuracy())?).ok()
    }
}
