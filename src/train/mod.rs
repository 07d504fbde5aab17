//! One run's files.

pub mod record;
pub mod recorder;
pub mod sealed;

pub use record::{ControlRow, LayerEvents, RunRecord, Status, read_record};
pub use recorder::Recorder;
pub use sealed::Damage;
