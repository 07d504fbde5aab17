//! The program as a person meets it: the real binary in a temporary folder, on images of 4 x 4 pixels.

mod bad_experiment;
mod bad_surroundings;
mod checkout;
#[cfg(unix)]
mod cost;
mod data;
mod export_run;
mod failures;
mod files;
mod fork;
#[cfg(unix)]
mod interruption;
mod mistakes;
mod mkl;
mod options;
mod probe;
mod release;
mod replay;
mod report;
mod shards;
mod sweep;
#[path = "../common/workdir.rs"]
mod workdir;
