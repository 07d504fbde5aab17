//! What a run that has not finished has written of its CSV files.
//!
//! A run appends whole rows: after each task, before each checkpoint, and whenever many wait. The last of them may be half there,
//! for the run is writing it, or was killed while it did; it is the one without a line break. All before it are right, though
//! no checksum says so yet: a run that goes on cuts its files back to its checkpoint and writes the same bytes again.
//! `controls.csv` is written after `tasks.csv`, and may be a task behind.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The whole rows of one of [`CSV_FILES`](crate::CSV_FILES), header included, that a run has written into its folder so far;
/// nothing where it has written none.
///
/// # Errors
/// What the file system says of a file that is there.
pub fn whole_rows(folder: &Path, name: &str) -> io::Result<Vec<u8>> {
    // Files that have got their names belong to a run which is about to say that it is over.
    let found =
        [format!("{name}.partial"), name.to_owned()].iter().find_map(|name| match fs::read(folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read),
        });
    let mut bytes = found.unwrap_or_else(|| Ok(Vec::new()))?;
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(end);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::read_tasks;

    #[test]
    fn a_row_that_is_half_there_is_no_row_wherever_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tasks.csv.partial");
        let header = "task,online_accuracy\n";
        let whole = format!("{header}0,0.875\n1,0.75\n");
        for end in 0..=whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let rows = whole_rows(folder.path(), "tasks.csv").unwrap();
            if rows.is_empty() {
                assert!(end < header.len(), "{end}");
                continue;
            }
            let accuracy = &read_tasks(&path, &rows[..]).unwrap()["online_accuracy"];
            let expected = [Some(0.875), Some(0.75)];
            assert_eq!(accuracy[..], expected[..whole[..end].matches('\n').count() - 1], "{end}");
        }
        // A disk that lost power has made room for rows that it never got.
        fs::write(&path, [whole.as_bytes(), &[0; 40]].concat()).unwrap();
        assert_eq!(whole_rows(folder.path(), "tasks.csv").unwrap(), whole.as_bytes());
    }

    #[test]
    fn rows_are_found_under_either_name_or_there_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(whole_rows(folder.path(), "tasks.csv").unwrap().is_empty());
        fs::write(folder.path().join("tasks.csv"), "a\n1\n").unwrap();
        assert_eq!(whole_rows(folder.path(), "tasks.csv").unwrap(), b"a\n1\n");
        fs::create_dir(folder.path().join("tasks.csv.partial")).unwrap();
        assert!(whole_rows(folder.path(), "tasks.csv").is_err(), "what cannot be read is not nothing");
    }
}
