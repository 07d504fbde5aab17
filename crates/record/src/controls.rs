//! `controls.csv` in memory: the measured updates of one layer.

use std::io::Read;
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

/// The most layers of a network, and characters of a layer's name: figures have a panel for each.
const MOST_LAYERS: usize = 1000;
const MOST_CHARACTERS: usize = 80;

/// Reads the bytes of a `controls.csv`, layer by layer in the order in which they first appear; `path` is for messages.
///
/// # Errors
/// The bytes cannot be read, a row is not one of `controls.csv`, or there are too many layers.
pub fn read(path: &Path, bytes: impl Read) -> Result<Vec<LayerTrace>, ResultsError> {
    let mut reader = csv::Reader::from_reader(bytes);
    let headers = reader.headers().map_err(|e| ResultsError::csv(path, &e))?.clone();
    let mut record = csv::StringRecord::new();
    let mut traces: Vec<LayerTrace> = Vec::new();
    while reader.read_record(&mut record).map_err(|e| ResultsError::csv(path, &e))? {
        let row: ControlRow = record.deserialize(Some(&headers)).map_err(|e| ResultsError::csv(path, &e))?;
        let known = traces.iter().position(|trace| trace.layer == row.layer);
        if known.is_none() && (traces.len() == MOST_LAYERS || row.layer.chars().count() > MOST_CHARACTERS) {
            let line = record.position().map(csv::Position::line);
            let shown: String = row.layer.chars().take(MOST_CHARACTERS).collect();
            let reason = format!(
                "{shown:?} begins layer {} of the run; expected at most {MOST_LAYERS}, with names of at most \
                 {MOST_CHARACTERS} characters",
                traces.len() + 1
            );
            return Err(ResultsError::Csv { path: path.to_owned(), line, reason });
        }
        let place = known.unwrap_or_else(|| {
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
