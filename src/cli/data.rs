//! `trainability data`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::data::{ImageSet, SETS, load_with_test};

/// Tell which image sets there are and what of them is in the cache; of one set, how many images it has and their checksum.
#[derive(Debug, Args)]
pub(super) struct Data {
    /// One set [default: all]
    name: Option<String>,
    /// The folder of a set that may lie anywhere
    #[arg(long, value_name = "DIR", requires = "name")]
    folder: Option<PathBuf>,
}

impl Data {
    pub(super) fn run(self) -> Result<ExitCode> {
        if let Some(name) = &self.name {
            let set = load_with_test(name, self.folder.as_deref())?;
            let colours = if set.channels == 1 { String::new() } else { format!(" in {} colours", set.channels) };
            println!(
                "{}: {} images of {} x {} pixels{}, {} classes",
                set.name, set.count, set.rows, set.columns, colours, set.classes
            );
            if let Some(remark) = remark_on_labels(&set) {
                println!("{remark}");
            }
            println!("SHA-256 {}", set.checksum);
            if let Some(test) = &set.test {
                println!("and {} test images", test.count);
                println!("SHA-256 {}", test.checksum);
            }
            return Ok(ExitCode::SUCCESS);
        }
        for set in SETS {
            println!("{:13} {}", set.name, set.about);
            let place = match (set.folder(), set.command) {
                (Some(folder), _) if folder.is_dir() => {
                    format!("in the cache, {:.0} MB: {}", size(&folder) as f64 / 1e6, folder.display())
                }
                (_, Some(command)) => format!("not in the cache: `{command}` brings it, {}", set.size),
                (_, None) => "in the folder that data.folder names".to_owned(),
            };
            println!("{:13} {place}", "");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What is to be known of labels that are not those of the files, or of classes that nothing shows.
fn remark_on_labels(set: &ImageSet) -> Option<String> {
    let shown: BTreeSet<u8> = set.labels.iter().copied().collect();
    let absent = usize::from(set.classes) - shown.len();
    let renumbered = match set.first_label {
        0 => None,
        first => {
            Some(format!("labels go from {first} to {} in the files, and from 0 on here", first + (set.classes - 1)))
        }
    };
    let lacking = (absent > 0).then(|| format!("{absent} of the classes have no image"));
    let remarks: Vec<String> = [renumbered, lacking].into_iter().flatten().collect();
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
