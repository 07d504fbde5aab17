//! Activations, one a file.

pub mod crelu;
pub mod deep_fourier;
pub mod identity;
pub mod leaky_relu;
pub mod relu;
pub mod tanh;

pub use crate::part::activation::{Activation, Widths};
