//! Writes a run's `tasks.csv` and `controls.csv`: after each task into `.partial` files, which get their names when the
//! run is over.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::controls::ControlRow;
use crate::digest::checksum;
use crate::tasks::TaskRow;

/// The files that a run writes rows to.
pub const CSV_FILES: [&str; 2] = ["tasks.csv", "controls.csv"];

/// The headers of both files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Of `tasks.csv`.
    pub tasks: Vec<&'static str>,
    /// Of `controls.csv`.
    pub controls: Vec<&'static str>,
}

impl Columns {
    /// The first lines of the files.
    fn headers(&self) -> io::Result<[Vec<u8>; 2]> {
        let header = |columns: &[&str]| {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(columns)?;
            writer.into_inner().map_err(|error| error.into_error())
        };
        Ok([header(&self.tasks)?, header(&self.controls)?])
    }
}

/// What a run has written to one of its files so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Bytes.
    pub length: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// Appends rows to the partial files of one run.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    files: [Rows; 2],
}

/// The first line of a file, its line break included.
fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    io::BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// One file: what was added to it, and what of that is not in it yet.
#[derive(Clone, Debug, Default)]
struct Rows {
    length: u64,
    hasher: Sha256,
    waiting: Vec<u8>,
}

impl Rows {
    fn written(&self) -> Written {
        Written { length: self.length, sha256: hex::encode(self.hasher.clone().finalize()) }
    }
}

impl Recorder {
    /// Starts empty files in a folder, which is made if there is none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path, columns: &Columns) -> io::Result<Recorder> {
        fs::create_dir_all(folder)?;
        let mut recorder = Recorder { folder: folder.to_owned(), files: Default::default() };
        for name in CSV_FILES {
            File::create(recorder.partial(name))?;
        }
        for (rows, header) in recorder.files.iter_mut().zip(columns.headers()?) {
            rows.waiting = header;
            rows.length = rows.waiting.len() as u64;
            rows.hasher.update(&rows.waiting);
        }
        Ok(recorder)
    }

    /// Goes on with files in which this was written; what came after that is cut off.
    ///
    /// # Errors
    /// A file is missing, does not begin with what was written, or has the columns of another version; or what the file system
    /// says.
    pub fn resume(folder: &Path, columns: &Columns, written: &[Written; 2]) -> io::Result<Recorder> {
        let mut recorder = Recorder { folder: folder.to_owned(), files: Default::default() };
        let headers = columns.headers()?;
        for (index, (name, written)) in CSV_FILES.into_iter().zip(written).enumerate() {
            let partial = recorder.partial(name);
            // Stopped while the files got their names: the checkpoint is from before.
            if !partial.exists() && folder.join(name).exists() {
                fs::rename(folder.join(name), &partial)?;
            }
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", partial.display()));
            let mut file = OpenOptions::new().read(true).write(true).open(&partial).map_err(named)?;
            let rows = &mut recorder.files[index];
            rows.length = io::copy(&mut (&mut file).take(written.length), &mut rows.hasher).map_err(named)?;
            if rows.written() != *written {
                let reason = if rows.length < written.length { "is shorter than" } else { "differs from what" };
                let message = format!("{} {reason} its checkpoint says", partial.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            if first_line(&partial).map_err(named)? != headers[index] {
                let message = format!("{} has other columns, those of another version", partial.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            file.set_len(written.length).map_err(named)?;
        }
        Ok(recorder)
    }

    /// What was written to each file so far, what is waiting included.
    pub fn written(&self) -> [Written; 2] {
        [0, 1].map(|index| self.files[index].written())
    }

    /// What is not yet in each file: whole rows, and the header where nothing has been written.
    pub fn waiting(&self) -> [&[u8]; 2] {
        [0, 1].map(|index| &self.files[index].waiting[..])
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
        let rows = &mut self.files[file];
        let before = rows.waiting.len();
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(&mut rows.waiting);
        write(&mut writer)?;
        writer.flush()?;
        drop(writer);
        rows.length += (rows.waiting.len() - before) as u64;
        rows.hasher.update(&rows.waiting[before..]);
        Ok(())
    }

    /// Appends what is waiting to the files.
    ///
    /// # Errors
    /// What the file system says; the recorder is then of no use, since a part may have been written.
    pub fn flush(&mut self) -> io::Result<()> {
        for (index, name) in CSV_FILES.into_iter().enumerate() {
            let partial = self.partial(name);
            let rows = &mut self.files[index];
            if !rows.waiting.is_empty() {
                OpenOptions::new().append(true).open(partial)?.write_all(&rows.waiting)?;
                rows.waiting.clear();
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
    /// A file is not what was written, or what the file system says.
    pub fn finish(&mut self) -> io::Result<Vec<(String, String)>> {
        self.flush()?;
        self.sync()?;
        let mut checksums = Vec::new();
        for (name, written) in CSV_FILES.into_iter().zip(self.written()) {
            let partial = self.partial(name);
            if checksum(&fs::read(&partial)?) != written.sha256 {
                let message = format!("{} was changed by something else", partial.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            fs::rename(partial, self.folder.join(name))?;
            checksums.push((name.to_owned(), written.sha256));
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(checksums)
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.partial"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls::{control_columns, read_rows};

    const VALUES: [(&str, Option<f64>); 6] = [
        ("effective_step", None),
        ("gradient_sq_norm", Some(1e-300)),
        ("noise_variance", Some(f64::INFINITY)),
        ("sharpness", Some(-0.0)),
        ("sharpness_residual", Some(f64::MIN_POSITIVE)),
        ("normalized_sharpness", Some(1.0 / 3.0)),
    ];

    fn control() -> ControlRow {
        ControlRow {
            task: 1,
            update: 2,
            layer: "fc1".to_owned(),
            learning_rate: 0.1 + 0.2,
            values: VALUES.map(|(name, value)| (name.into(), value)).to_vec(),
            action: "held".to_owned(),
        }
    }

    fn columns() -> Columns {
        Columns {
            tasks: vec!["task", "updates", "online_accuracy", "test_accuracy", "hessian_rank"],
            controls: control_columns(VALUES.map(|(name, _)| name)),
        }
    }

    #[test]
    fn rows_stand_under_their_columns_and_read_back_to_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path(), &columns()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.finish().unwrap();
        let path = folder.path().join("controls.csv");
        let mut reader = csv::Reader::from_path(&path).unwrap();
        assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(columns().controls));
        let rows = read_rows(&path, File::open(&path).unwrap()).unwrap();
        assert_eq!(rows, [control()]);
        assert_eq!(rows[0].learning_rate.to_bits(), control().learning_rate.to_bits());
        assert!(rows[0].value("sharpness").unwrap().is_sign_negative());
        // A run without a finished task has a table without rows, and not an empty file.
        let tasks = fs::read_to_string(folder.path().join("tasks.csv")).unwrap();
        assert_eq!(tasks.lines().count(), 1);
        assert_eq!(tasks, "task,updates,online_accuracy,test_accuracy,hessian_rank\n");
    }

    #[test]
    fn what_was_written_after_a_checkpoint_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path(), &columns()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.flush().unwrap();
        let written = recorder.written();
        recorder.add_controls(&[control(), control()]).unwrap();
        recorder.flush().unwrap();
        let mut resumed = Recorder::resume(folder.path(), &columns(), &written).unwrap();
        resumed.add_controls(&[control()]).unwrap();
        resumed.finish().unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("controls.csv")).unwrap().lines().count(), 3);
    }

    #[test]
    fn files_that_are_not_what_was_written_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path(), &columns()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.flush().unwrap();
        let written = recorder.written();
        let partial = folder.path().join("controls.csv.partial");
        let whole = fs::read_to_string(&partial).unwrap();
        for damaged in [whole.replace("held", "hold"), whole[..whole.len() - 1].to_owned(), String::new()] {
            fs::write(&partial, damaged).unwrap();
            let error = Recorder::resume(folder.path(), &columns(), &written).unwrap_err().to_string();
            assert!(error.contains("controls.csv.partial") && error.contains("its checkpoint says"), "{error}");
        }
        // While the run is under way it shows at the end.
        fs::write(&partial, whole.replace("held", "hold")).unwrap();
        let error = recorder.finish().unwrap_err().to_string();
        assert!(error.contains("controls.csv.partial was changed by something else"), "{error}");
        assert!(!folder.path().join("controls.csv").exists());
    }

    #[test]
    fn files_with_the_columns_of_another_version_are_not_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path(), &columns()).unwrap();
        recorder.flush().unwrap();
        let partial = folder.path().join("tasks.csv.partial");
        let older = fs::read_to_string(&partial).unwrap().replace("test_accuracy,", "");
        fs::write(&partial, &older).unwrap();
        let mut written = recorder.written();
        written[0] = Written { length: older.len() as u64, sha256: hex::encode(Sha256::digest(&older)) };
        let error = Recorder::resume(folder.path(), &columns(), &written).unwrap_err().to_string();
        assert!(error.contains("tasks.csv.partial has other columns, those of another version"), "{error}");
    }

    #[test]
    fn a_run_that_was_stopped_while_its_files_got_their_names_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(folder.path(), &columns()).unwrap();
        recorder.add_controls(&[control()]).unwrap();
        recorder.flush().unwrap();
        let written = recorder.written();
        recorder.add_controls(&[control()]).unwrap();
        let checksums = recorder.finish().unwrap();
        // As if one had got its name and the other had not.
        fs::rename(folder.path().join("tasks.csv"), folder.path().join("tasks.csv.partial")).unwrap();
        let mut resumed = Recorder::resume(folder.path(), &columns(), &written).unwrap();
        resumed.add_controls(&[control()]).unwrap();
        assert_eq!(resumed.finish().unwrap(), checksums);
        fs::remove_file(folder.path().join("controls.csv")).unwrap();
        assert!(Recorder::resume(folder.path(), &columns(), &written).is_err(), "a file is gone");
    }
}
