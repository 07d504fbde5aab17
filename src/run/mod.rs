//! A run: a learner on a stream of tasks, what it writes down, and its checkpoint.

mod catalogue;
pub mod checkpoint;
mod columns;
mod device;
mod export;
mod images;
mod lockstep;
mod plan;
mod rehearsal;
mod replicate;
mod summary;
mod training;

#[cfg(test)]
mod tests;

pub(crate) use catalogue::catalogue;
pub use catalogue::of_method;
pub use columns::columns;
pub use device::DeviceOption;
pub(crate) use export::export_run;
pub use images::select_images;
pub(crate) use images::{RunImages, SharedImages, classes_of_run};
pub(crate) use lockstep::Lockstep;
pub use plan::{MethodPlan, RunPlan};
pub(crate) use rehearsal::{Parts, Rehearsal, rehearse};
pub(crate) use summary::TaskSummary;
pub use training::{Advance, Run, RunDiverged};
