//! Carries out a plan: several runs at a time, each on one thread. Finished runs are skipped, and a run that fails does not
//! disturb the others.

mod carry_out;
mod cost;
mod crew;
mod error;
mod event_file;
mod execute;
mod folder;
mod fork;
mod glossary;
mod lease;
mod listener;
mod memory;
mod only;
mod options;
mod panics;
mod progress;
mod provenance;
mod replay;
mod run_state;
mod shard;
mod share;
mod signals;
mod slurm;
mod survey;

pub(crate) use carry_out::{Foresight, foresee};
pub use carry_out::{SweepOutcome, carry_out};
pub use error::SweepError;
pub use listener::Listener;
pub(crate) use only::Only;
pub use options::SweepOptions;
pub(crate) use progress::ProgressDisplay;
pub(crate) use replay::write_rates;
pub use shard::Shard;
pub use signals::Signals;
pub(crate) use slurm::{Call, Submission};
pub(crate) use survey::survey;
