//! Whether a folder is that of a sweep, and which was meant if it is not.

use std::fs;
use std::path::{Path, PathBuf};

use trainability_record::label::nearest;

use crate::refusal::{Refusal, demand, refuse};

/// Refuses what is no folder of a sweep, if it can be told what is there instead.
///
/// # Errors
/// It is a file, or nothing, or a folder near that of a sweep.
pub fn need_sweep(folder: &Path) -> Result<(), Refusal> {
    if is_sweep(folder) {
        return Ok(());
    }
    let (shown, guess) = (folder.display(), meant(folder));
    if folder.is_dir() {
        // Without a guess, whoever reads it says what it lacks.
        demand!(guess.is_empty(), "{shown} is no folder that `trainability sweep` wrote{guess}");
        return Ok(());
    }
    if folder.exists() {
        refuse!("{shown} is a file, expected the folder of a sweep, such as results/quick{guess}");
    }
    refuse!("there is no folder {shown}, expected that of a sweep, such as results/quick{guess}");
}

fn is_sweep(folder: &Path) -> bool {
    folder.join("sweep.json").is_file() || folder.join("runs").is_dir() || folder.join("summary.csv").is_file()
}

/// The most folders that a sentence names.
const MOST_NAMED: usize = 3;

/// The sweeps that may have been meant, for the end of a sentence: one around it, one of its name, those in it, one beside it
/// with a name like it.
fn meant(folder: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let around =
        folder.ancestors().skip(1).take(5).filter(|path| !path.as_os_str().is_empty()).find(|path| is_sweep(path));
    let named = folder.file_stem().map(|stem| Path::new("results").join(stem)).filter(|path| is_sweep(path));
    let mut guesses: Vec<PathBuf> = around.map(Path::to_owned).or(named).into_iter().collect();
    if guesses.is_empty() {
        guesses = sweeps_in(folder);
    }
    if guesses.is_empty() && !folder.exists() {
        let beside = folder.parent().unwrap_or(Path::new(""));
        let sweeps = sweeps_in(beside);
        let names: Vec<String> = sweeps.iter().map(|sweep| name(sweep)).collect();
        let near = nearest(&name(folder), names.iter().map(String::as_str)).map(|near| beside.join(near));
        guesses.extend(near);
    }
    let named: Vec<String> = guesses.iter().take(MOST_NAMED).map(|guess| guess.display().to_string()).collect();
    if named.is_empty() { String::new() } else { format!(" (did you mean {}?)", named.join(" or ")) }
}

/// The sweeps that lie in a folder, by name.
fn sweeps_in(folder: &Path) -> Vec<PathBuf> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut sweeps: Vec<PathBuf> =
        entries.filter(|entry| is_sweep(&entry.path())).map(|entry| folder.join(entry.file_name())).collect();
    sweeps.sort();
    sweeps
}
