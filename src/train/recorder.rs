//! Writes a run's `tasks.csv` and `controls.csv`: after each task into `.partial` files, which get their names when the
//! run is over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::record::ControlRow;

/// The files that a run writes rows to.
pub const CSV_FILES: [&str; 2] = ["tasks.csv", "controls.csv"];

/// A value of a row: what it was, so that it reads back to the same bits; nothing where it is undefined.
pub fn field(value: Option<f64>) -> String {
    match value {
        // Debug is the shortest text that reads back to the same bits, with an exponent where that is shorter.
        Some(value) if !value.is_nan() => format!("{value:?}"),
        _ => String::new(),
    }
}

/// One row of `tasks.csv`: names and fields.
pub type TaskRow = Vec<(&'static str, String)>;

/// Appends rows to the partial files of one run.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    /// Bytes in each partial file, those waiting included.
    lengths: [u64; 2],
    waiting: [Vec<u8>; 2],
}

impl Recorder {
    /// Starts empty files in a folder, which is made if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path) -> io::Result<Recorder> {
        fs::create_dir_all(folder)?;
        let recorder = Recorder { folder: folder.to_owned(), lengths: [0; 2], waiting: Default::default() };
        for name in CSV_FILES {
            File::create(recorder.partial(name))?;
        }
        Ok(recorder)
    }

    /// Goes on with files that had these lengths; what was written after that is cut off.
    ///
    /// # Errors
    /// A file is missing or shorter, or what the file system says.
    pub fn resume(folder: &Path, lengths: [u64; 2]) -> io::Result<Recorder> {
        let recorder = Recorder { folder: folder.to_owned(), lengths, waiting: Default::default() };
        for (name, length) in CSV_FILES.into_iter().zip(lengths) {
            let file = OpenOptions::new().write(true).open(recorder.partial(name))?;
            if file.metadata()?.len() < length {
                let message = format!("{name}.partial is shorter than its checkpoint says");
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
            }
            file.set_len(length)?;
        }
        Ok(recorder)
    }

    /// Bytes written to each file so far.
    pub fn lengths(&self) -> [u64; 2] {
        self.lengths
    }

    /// Adds a finished task's row.
    ///
    /// # Errors
    /// A row that is no CSV.
    pub fn add_task(&mut self, row: &TaskRow) -> io::Result<()> {
        if self.lengths[0] == 0 {
            self.add_record(0, row.iter().map(|(name, _)| name))?;
        }
        self.add_record(0, row.iter().map(|(_, field)| field))
    }

    /// Adds a measured update's rows.
    ///
    /// # Errors
    /// A row that is no CSV.
    pub fn add_controls(&mut self, rows: &[ControlRow]) -> io::Result<()> {
        if self.lengths[1] == 0 && !rows.is_empty() {
            self.add_record(1, CONTROL_COLUMNS)?;
        }
        rows.iter().try_for_each(|row| self.add_record(1, control_fields(row)))
    }

    fn add_record(&mut self, file: usize, fields: impl IntoIterator<Item = impl AsRef<[u8]>>) -> io::Result<()> {
        let before = self.waiting[file].len();
        csv::Writer::from_writer(&mut self.waiting[file]).write_record(fields)?;
        self.lengths[file] += (self.waiting[file].len() - before) as u64;
        Ok(())
    }

    /// Appends what is waiting to the files.
    ///
    /// # Errors
    /// What the file system says; what could not be written stays waiting.
    pub fn flush(&mut self) -> io::Result<()> {
        for (index, name) in CSV_FILES.into_iter().enumerate() {
            if !self.waiting[index].is_empty() {
                OpenOptions::new().append(true).open(self.partial(name))?.write_all(&self.waiting[index])?;
                self.waiting[index].clear();
            }
        }
        Ok(())
    }

    /// Makes what was written last, so that a checkpoint may count on it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sync(&self) -> io::Result<()> {
        CSV_FILES.iter().try_for_each(|name| File::open(self.partial(name))?.sync_all())
    }

    /// Gives the files their names, and returns their SHA-256.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(&mut self) -> io::Result<Vec<(String, String)>> {
        self.flush()?;
        self.sync()?;
        let mut checksums = Vec::new();
        for name in CSV_FILES {
            let digest = Sha256::digest(fs::read(self.partial(name))?);
            fs::rename(self.partial(name), self.folder.join(name))?;
            checksums.push((name.to_owned(), digest.iter().map(|byte| format!("{byte:02x}")).collect()));
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(checksums)
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.partial"))
    }
}

/// The header of `controls.csv`.
pub const CONTROL_COLUMNS: [&str; 19] = [
    "task",
    "update",
    "layer",
    "learning_rate",
    "effective_step",
    "gradient_sq_norm",
    "noise_variance",
    "sharpness",
    "sharpness_min",
    "sharpness_residual",
    "normalized_sharpness",
    "sharpness_mean",
    "volatility",
    "noise_bound",
    "noise_bound_debiased",
    "volatility_bound",
    "level_bound",
    "combined_bound",
    "action",
];

fn control_fields(row: &ControlRow) -> [String; 19] {
    [
        row.task.to_string(),
        row.update.to_string(),
        row.layer.clone(),
        field(Some(row.learning_rate)),
        field(row.effective_step),
        field(row.gradient_sq_norm),
        field(row.noise_variance),
        field(row.sharpness),
        field(row.sharpness_min),
        field(row.sharpness_residual),
        field(row.normalized_sharpness),
        field(row.sharpness_mean),
        field(row.volatility),
        field(row.noise_bound),
        field(row.noise_bound_debiased),
        field(row.volatility_bound),
        field(row.level_bound),
        field(row.combined_bound),
        row.action.clone(),
    ]
}
