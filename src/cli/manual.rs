//! `trainability completions` and `trainability man`: what shells and `man` know of this command line, made from its own help.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Command};
use clap_complete::Shell;
use trainability_baselines::options::expected_one_of;
use trainability_report::program::Reader;

/// Print what a shell needs to complete subcommands and options.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, mut command: Command) -> Result<ExitCode> {
        let (mut script, name) = (Vec::new(), command.get_name().to_owned());
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        Reader(io::stdout().lock()).write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print a page of the manual, for `man -l -`.
#[derive(Debug, Args)]
pub(super) struct Manual {
    /// One subcommand [default: the program as a whole]
    #[arg(value_name = "SUBCOMMAND")]
    subcommand: Option<String>,
}

impl Manual {
    pub(super) fn run(self, mut command: Command) -> Result<ExitCode> {
        command.build();
        let page = match &self.subcommand {
            None => command,
            Some(name) => {
                let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
                let Some(found) = command.find_subcommand(name) else {
                    bail!("there is no subcommand {name:?}, expected {}", expected_one_of(name, &known));
                };
                found.clone()
            }
        };
        let mut roff = Vec::new();
        let source = concat!("trainability ", env!("CARGO_PKG_VERSION"));
        clap_mangen::Man::new(page).source(source).render(&mut roff)?;
        Reader(io::stdout().lock()).write_all(&roff)?;
        Ok(ExitCode::SUCCESS)
    }
}
