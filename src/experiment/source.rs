//! The text of an experiment's file, or what is there instead.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use trainability_baselines::options::did_you_mean;

/// Reads a file.
///
/// # Errors
/// What is wrong, and what may have been meant.
pub(super) fn read(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        let of_a_sweep = match path.join("sweep.json").exists() {
            true => format!(" of a sweep's results (`trainability report {}` reports on them)", path.display()),
            false => String::new(),
        };
        return Err(format!("it is a directory{of_a_sweep}, expected the JSON file of an experiment"));
    }
    let bytes = fs::read(path).map_err(|problem| match problem.kind() {
        ErrorKind::NotFound => format!("{problem}{}", similar(path)),
        _ => problem.to_string(),
    })?;
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes).map_err(|_| match utf16 {
        true => "it is text in UTF-16, expected UTF-8: save it as that".to_owned(),
        false => "it is no text in UTF-8, expected the JSON file of an experiment".to_owned(),
    })
}

/// An experiment beside a file that is not there, for the end of a sentence; nothing where none has a name like it.
fn similar(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let experiments = entries.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let mut names: Vec<String> = experiments.map(|path| stem(&path)).collect();
    names.sort();
    let guess = did_you_mean(&stem(path), names.iter().map(String::as_str));
    guess.replace("?)", ".json?)").replace(" or ", ".json or ")
}
