//! Who wants to know how a sweep is going.

use trainability_record::RunRecord;

use crate::run::RunPlan;

/// Is told what happens in a sweep, from any of its threads.
pub trait Listener: Sync {
    /// The sweep begins: how many runs and updates are left, and how many runs were finished before.
    fn begin(&self, _left: usize, _updates: u64, _finished: usize) {}
    /// What the runs that are left will cost, in lines to be shown.
    fn estimated(&self, _totals: &str) {}
    /// Updates were made.
    fn updated(&self, _updates: u64) {}
    /// Something is not as it should be; the sentence also says how it is dealt with.
    fn noticed(&self, _sentence: &str) {}
    /// A run is over.
    fn ended(&self, _run: &RunPlan, _record: &RunRecord) {}
    /// The sweep is over.
    fn end(&self) {}
}
