//! How a plan is carried out, as the command line says.

use std::path::PathBuf;
use std::time::Duration;

use super::shard::Shard;
use super::signals::Signals;

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// The sweep's folder.
    pub out: PathBuf,
    /// Runs at the same time.
    pub jobs: usize,
    /// Patterns on `METHOD/SCHEDULE/seed-N`, any of which chooses a run; all runs where there is none.
    pub only: Vec<String>,
    /// The share of the chosen runs that this process trains.
    pub shard: Shard,
    /// Train runs of one shape together, in lock step, wherever that can be done.
    pub in_lockstep: bool,
    /// Start no further run once one has failed.
    pub fail_fast: bool,
    /// Repeat, from the beginning, the runs that failed or diverged in earlier calls, and train no others.
    pub retry_failed: bool,
    /// The folder of a sweep whose finished runs are kept where their options still fit.
    pub fork_of: Option<PathBuf>,
    /// Write each run's rows as an event file of TensorBoard as well.
    pub tensorboard: bool,
    /// A run writes a checkpoint when its last one is this old, and when a signal asks it to stop.
    pub checkpoint_every: Duration,
    /// What may ask the sweep to stop.
    pub signals: Signals,
}

/// One run at a time, all that are left, with a checkpoint a minute; in the present folder.
impl Default for SweepOptions {
    fn default() -> Self {
        SweepOptions {
            out: PathBuf::new(),
            jobs: 1,
            only: Vec::new(),
            shard: Shard::default(),
            in_lockstep: false,
            fail_fast: false,
            retry_failed: false,
            fork_of: None,
            tensorboard: false,
            checkpoint_every: Duration::from_secs(60),
            signals: Signals::default(),
        }
    }
}
