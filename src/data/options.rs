//! The section `data` of an experiment: where the images come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the images come from, and how many are used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataOptions {
    /// The image set: `mnist-5k`, `mnist`, `fashion-mnist`, `cifar-10`, or `idx` and `cifar-binary` for files of one's own;
    /// `trainability data` lists them, and `make data NAME=mnist` brings one.
    pub set: String,
    /// The folder with the files of a set that is read from one (`idx`, `cifar-binary`).
    pub folder: Option<PathBuf>,
    /// How many images to use; the run's seed draws them. By default all of them.
    pub images: Option<usize>,
    /// Like `images`, but a smaller set is used whole.
    pub images_at_most: Option<usize>,
    /// How many further images to hold out for test accuracy; the run's seed draws them. Only for sets without test
    /// images of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
}

impl Default for DataOptions {
    fn default() -> Self {
        DataOptions { set: "mnist-5k".to_owned(), folder: None, images: None, images_at_most: None, test_images: None }
    }
}
