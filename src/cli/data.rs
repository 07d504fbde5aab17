//! `trainability data`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::data::{SETS, load_with_test};

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

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}
