//! One run: the loop, the recorder that writes its files, the checkpoint.

pub mod checkpoint;
mod images;
pub mod record;
pub mod recorder;
pub mod run;
pub mod sealed;
pub mod summary;

pub use images::select_images;
pub use record::{ControlRow, LayerEvents, RunRecord, Status, read_record};
pub use recorder::Recorder;
pub use run::{Advance, Diverged, Run};
pub use sealed::Damage;
