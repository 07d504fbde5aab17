//! Optimizers with visible moments and one learning rate a layer.

pub mod adam;

pub use adam::{Adam, AdamOptions};
