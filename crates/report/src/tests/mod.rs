//! Tests over the whole of a report, and of its statistics on planted effects.

mod against;
mod analysis;
mod book;
mod claims;
mod damaged;
#[cfg(feature = "program")]
mod export;
mod format2;
mod last_task;
mod oracles;
mod ordering;
mod report;
mod round_trips;
mod rows;
pub(crate) mod synthetic;
mod unfinished;
mod warnings;
mod what_is_left;
mod worlds;
