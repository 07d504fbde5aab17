//! Writes a run's `tasks.csv` and `controls.csv`: after each task into `.partial` files, which get their names when the
//! run is over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::record::ControlRow;
use super::summary::task_columns;

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
        let mut recorder = Recorder { folder: folder.to_owned(), lengths: [0; 2], waiting: Default::default() };
        for name in CSV_FILES {
            File::create(recorder.partial(name))?;
        }
        recorder.add(0, |writer| writer.write_record(task_columns()))?;
        recorder.add(1, |writer| writer.write_record(CONTROL_COLUMNS))?;
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
        self.add(0, |writer| writer.write_record(row.iter().map(|(_, field)| field)))
    }

    /// Adds a measured update's rows.
    ///
    /// # Errors
    /// A row that is no CSV.
    pub fn add_controls(&mut self, rows: &[ControlRow]) -> io::Result<()> {
        self.add(1, |writer| rows.iter().try_for_each(|row| writer.serialize(row)))
    }

    fn add(
        &mut self,
        file: usize,
        write: impl FnOnce(&mut csv::Writer<&mut Vec<u8>>) -> csv::Result<()>,
    ) -> io::Result<()> {
        let before = self.waiting[file].len();
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(&mut self.waiting[file]);
        write(&mut writer)?;
        writer.flush()?;
        drop(writer);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> ControlRow {
        ControlRow {
            task: 1,
            update: 2,
            layer: "fc1".to_owned(),
            learning_rate: 0.1 + 0.2,
            effective_step: None,
            gradient_sq_norm: Some(1e-300),
            noise_variance: Some(f64::INFINITY),
            sharpness: Some(-0.0),
            sharpness_min: None,
            sharpness_residual: Some(f64::MIN_POSITIVE),
            normalized_sharpness: Some(1.0 / 3.0),
            sharpness_mean: None,
            volatility: None,
            noise_bound: None,
            noise_bound_debiased: None,
            volatility_bound: None,
            level_bound: None,
            combined_bound: None,
            action: "held".to_owned(),
        }
    }

    #[test]
    fn rows_stand_under_their_columns_and_read_back_to_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.finish().unwrap();
        let mut reader = csv::Reader::from_path(folder.path().join("controls.csv")).unwrap();
        assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(CONTROL_COLUMNS.to_vec()));
        let rows: Vec<ControlRow> = reader.deserialize().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows, [control()]);
        assert_eq!(rows[0].learning_rate.to_bits(), control().learning_rate.to_bits());
        assert!(rows[0].sharpness.unwrap().is_sign_negative());
        // A run without a finished task has a table without rows, and not an empty file.
        let tasks = fs::read_to_string(folder.path().join("tasks.csv")).unwrap();
        assert_eq!(tasks.lines().count(), 1);
        assert!(tasks.starts_with("task,updates,online_accuracy,final_accuracy,final_loss,hessian_rank,"));
    }

    #[test]
    fn what_was_written_after_a_checkpoint_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.flush().unwrap();
        let lengths = recorder.lengths();
        recorder.add_controls(&[control(), control()]).unwrap();
        recorder.flush().unwrap();
        let mut resumed = Recorder::resume(folder.path(), lengths).unwrap();
        resumed.add_controls(&[control()]).unwrap();
        resumed.finish().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("controls.csv")).unwrap().lines().count(), 3);
        assert!(Recorder::resume(folder.path(), lengths).is_err(), "the partial files are gone");
    }
}
