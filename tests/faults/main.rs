//! Kill it, starve it, feed it garbage: nothing may be lost, and nothing half-written may pass for a result.
//!
//! The real binary on images of 4 x 4 pixels. `make test` runs a short version of this, `make faults` the long one, which
//! prints what it did. The moments of the kills come from a seeded generator: `TRAINABILITY_FAULTS_SEED` changes it.

#![cfg(unix)]

mod damage;
mod disk;
mod failures;
mod harness;
mod kills;
mod memory;
mod together;
#[allow(dead_code, reason = "shared with tests/cli, which uses all of it")]
#[path = "../common/workdir.rs"]
mod workdir;
