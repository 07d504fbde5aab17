//! The kinds of stream that there are. To add one, write its file and name it here.

use super::kind::StreamKind;
use super::{class_incremental, label_permutation, pixel_permutation, random_labels};

/// Every kind of stream that a configuration can name.
pub const STREAMS: &[&StreamKind] =
    &[&random_labels::KIND, &label_permutation::KIND, &pixel_permutation::KIND, &class_incremental::KIND];

/// The kind of that name.
pub fn stream(name: &str) -> Option<&'static StreamKind> {
    STREAMS.iter().copied().find(|kind| kind.name == name)
}
