//! The columns of a run's files, and the rows of `controls.csv`.

use std::iter::once;

use trainability_record::ControlRow;
use trainability_record::controls::control_columns;
use trainability_record::recorder::Columns;

use super::summary::task_columns;
use crate::learner::LayerMeasurement;
use crate::probe::STATISTICS;
use crate::schedule::BOUNDS;

/// The column of the minibatch's size.
const SAMPLES: &str = "samples";

/// The headers of a run's files.
pub fn columns() -> Columns {
    let measured = STATISTICS.iter().map(|(column, _)| *column).chain(BOUNDS.iter().map(|bound| bound.column));
    Columns { tasks: task_columns(), controls: control_columns(once(SAMPLES).chain(measured)) }
}

/// The row of a measured layer; the task counts from 0, the update from 1.
pub(super) fn control_row(task: usize, update: u64, measured: LayerMeasurement) -> ControlRow {
    let samples = (SAMPLES, Some(measured.statistics.batch as f64));
    let values = once(samples).chain(measured.statistics.columns()).chain(measured.bounds.columns());
    ControlRow {
        task,
        update,
        layer: measured.layer,
        learning_rate: measured.statistics.learning_rate,
        values: values.map(|(column, value)| (column.into(), value)).collect(),
        action: measured.action.map_or("", |action| action.name()).to_owned(),
    }
}
