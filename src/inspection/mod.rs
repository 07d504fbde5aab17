//! Networks trained by other programs: read from safetensors files, measured as a run measures its own network, and trained on
//! a new task to see how much they can still learn.

mod error;
mod foreign;
mod measuring;
mod naming;
mod other_networks;
mod tensor_file;
mod trainability;

#[cfg(test)]
mod tests;

pub use error::InspectionError;
pub use foreign::{Foreign, Reading, Sources};
pub use measuring::{Findings, Values, measure};
pub(crate) use trainability::{Comparison, Curve, NewTask, compare};
