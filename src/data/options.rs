//! The section `data` of an experiment: where the images come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the images come from, and how many are used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// A name from the set registry.
    pub set: String,
    /// The folder of a set that is read from one.
    pub folder: Option<PathBuf>,
    /// How many images are used, drawn by the run's seed; all of them where it is left out.
    pub images: Option<usize>,
    /// The same, but a smaller set is used whole.
    pub images_at_most: Option<usize>,
    /// How many other images are held out for test accuracy, drawn by the run's seed; for sets without test images of
    /// their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
}

impl Default for DataOptions {
    fn default() -> Self {
        DataOptions { set: "mnist-5k".to_owned(), folder: None, images: None, images_at_most: None, test_images: None }
    }
}
