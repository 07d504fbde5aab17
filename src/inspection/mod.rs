//! Networks that somebody else trained: read from the files that they saved, measured as a run measures its own, and
//! tried out on a new task.

mod error;
mod foreign;
mod measuring;
mod tensor_file;
mod trainability;

pub use error::InspectionError;
pub use foreign::{Foreign, Reading, Sources};
pub use measuring::{Findings, Values, measure};
pub use tensor_file::TensorFile;
pub use trainability::{Comparison, Curve, NewTask, compare};
