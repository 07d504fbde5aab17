//! The runs that a report is about.

use crate::results::RecordedSweep;

/// The runs of a report, and what its reader must know of how they were chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selected {
    /// The runs.
    pub sweep: RecordedSweep,
    /// What part of which sweeps this is, a sentence each; nothing of one sweep as a whole.
    pub slice: Vec<String>,
    /// What the sweeps do not share, a sentence each.
    pub cautions: Vec<String>,
    /// The first task that the runs' series begin with, counted from 0.
    pub first_task: usize,
}
