//! Image sets: readers for their files, the registry of those that have a name, and their checksums.
//!
//! [`load`] is the door: a set's name, and a folder for a set that may lie anywhere, give an [`ImageSet`]; so does
//! `load_with_test`, with the set's test images where it has any. Images stay in the order of their files; whoever needs
//! another order shuffles them.
//!
//! Adding a set is one [`SetEntry`] in `registry.rs`; adding a format is one file with one function that makes an
//! [`ImageSet`] out of a folder.

mod cifar;
mod error;
mod idx;
mod image_set;
mod numbering;
mod options;
mod registry;

#[cfg(test)]
mod tests;

pub use cifar::{BATCH_FILES, TEST_BATCH_FILE};
pub use error::{DataError, IdxError};
pub use idx::Idx;
pub use image_set::{IMAGE_FILES, ImageSet, ImageShape, LABEL_FILES};
pub use options::DataOptions;
pub(crate) use registry::load_with_test;
pub use registry::{SETS, SetEntry, load};
