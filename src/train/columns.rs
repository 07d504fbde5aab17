//! The columns of a run's files: those of `controls.csv` as one table, from which its header and its rows come.

use trainability_record::controls::control_columns;
use trainability_record::recorder::Columns;

use super::summary::task_columns;
use crate::probe::LayerStatistics;
use crate::schedule::Bounds;

/// A column of `controls.csv`: its name, and its value of a measured update of a layer.
pub type LayerColumn = (&'static str, fn(&LayerStatistics, &Bounds) -> Option<f64>);

/// Statistics and bounds of a layer, in the order of their columns.
pub const LAYER_COLUMNS: [LayerColumn; 14] = [
    ("effective_step", |layer, _| layer.effective_step),
    ("gradient_sq_norm", |layer, _| Some(layer.gradient_sq_norm)),
    ("noise_variance", |layer, _| layer.noise_variance),
    ("sharpness", |layer, _| layer.sharpness),
    ("sharpness_min", |layer, _| layer.sharpness_min),
    ("sharpness_residual", |layer, _| layer.sharpness_residual),
    ("normalized_sharpness", |layer, _| layer.normalized_sharpness),
    ("sharpness_mean", |layer, _| layer.sharpness_mean),
    ("volatility", |layer, _| layer.volatility),
    ("noise_bound", |_, bounds| bounds.noise),
    ("noise_bound_debiased", |_, bounds| bounds.noise_debiased),
    ("volatility_bound", |_, bounds| bounds.volatility),
    ("level_bound", |_, bounds| bounds.level),
    ("combined_bound", |_, bounds| bounds.combined),
];

/// The values of a layer under their columns; `None` is undefined.
pub fn layer_values(
    layer: &LayerStatistics,
    bounds: &Bounds,
) -> impl Iterator<Item = (&'static str, Option<f64>)> {
    LAYER_COLUMNS.iter().map(move |(name, value)| (*name, value(layer, bounds)))
}

/// The headers of a run's files.
pub fn columns() -> Columns {
    Columns { tasks: task_columns(), controls: control_columns(LAYER_COLUMNS.map(|(name, _)| name)) }
}
