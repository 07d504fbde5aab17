//! `trainability data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::data::{SETS, load_with_test};

/// Tell which image sets there are: where they lie, how many images, and their checksum.
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
                (Some(folder), _) if folder.is_dir() => format!("in {}", folder.display()),
                (_, Some(command)) => format!("not there yet: `{command}` brings it"),
                (_, None) => "in the folder that data.folder names".to_owned(),
            };
            println!("{:13} {place}", "");
        }
        Ok(ExitCode::SUCCESS)
    }
}
