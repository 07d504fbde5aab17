//! A run: a learner on a stream of tasks, what it writes down, and its checkpoint.

mod catalogue;
pub mod checkpoint;
mod columns;
mod device;
mod images;
mod plan;
mod summary;
mod training;

pub use catalogue::{catalogue, of_method};
pub use columns::columns;
pub use device::DeviceOption;
pub use images::select_images;
pub use plan::{MethodPlan, RunPlan};
pub use summary::{TaskSummary, task_columns};
pub use training::{Advance, Run, RunDiverged};
