//! `controls.csv` in memory: the measured updates of one layer.

use std::path::Path;

use super::results::ResultsError;
use crate::train::record::ControlRow;

/// What the report needs of one measured update; undefined values are NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Update, counted from 1 over the whole run.
    pub update: u64,
    /// Learning rate before the controller acted.
    pub learning_rate: f64,
    /// alpha.
    pub effective_step: f64,
    /// The bounds on alpha, in the order of [`BOUNDS`].
    pub bounds: [f64; 5],
    /// Residual of the Lanczos iteration, relative to the eigenvalue.
    pub sharpness_residual: f64,
}

/// The bounds' columns in `controls.csv`.
pub const BOUNDS: [&str; 5] =
    ["noise_bound", "noise_bound_debiased", "volatility_bound", "level_bound", "combined_bound"];

/// The measured updates of one layer, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerTrace {
    /// The layer's name.
    pub layer: String,
    /// Its measured updates.
    pub rows: Vec<Measured>,
}

/// Reads `controls.csv`, layer by layer in the order in which they first appear.
///
/// # Errors
/// When the file cannot be read or a row is not one of `controls.csv`.
pub fn read(path: &Path) -> Result<Vec<LayerTrace>, ResultsError> {
    let mut reader = csv::Reader::from_path(path).map_err(|e| ResultsError::csv(path, &e))?;
    let headers = reader.headers().map_err(|e| ResultsError::csv(path, &e))?.clone();
    let mut record = csv::StringRecord::new();
    let mut traces: Vec<LayerTrace> = Vec::new();
    while reader.read_record(&mut record).map_err(|e| ResultsError::csv(path, &e))? {
        let row: ControlRow = record.deserialize(Some(&headers)).map_err(|e| ResultsError::csv(path, &e))?;
        let place = traces.iter().position(|trace| trace.layer == row.layer).unwrap_or_else(|| {
            traces.push(LayerTrace { layer: row.layer.clone(), rows: Vec::new() });
            traces.len() - 1
        });
        traces[place].rows.push(Measured::from(&row));
    }
    Ok(traces)
}

impl From<&ControlRow> for Measured {
    fn from(row: &ControlRow) -> Self {
        let bounds =
            [row.noise_bound, row.noise_bound_debiased, row.volatility_bound, row.level_bound, row.combined_bound];
        Self {
            update: row.update,
            learning_rate: row.learning_rate,
            effective_step: row.effective_step.unwrap_or(f64::NAN),
            bounds: bounds.map(|bound| bound.unwrap_or(f64::NAN)),
            sharpness_residual: row.sharpness_residual.unwrap_or(f64::NAN),
        }
    }
}
