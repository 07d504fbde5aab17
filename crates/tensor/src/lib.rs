//! Numerics on `tch` that know nothing of training: the layers of a network with what a pass leaves behind in them, and what is
//! computed from these.
//!
//! - [`layer`]: parameters by name and role, traces of a forward pass, gradients of single samples
//! - [`sample_gradients`]: norms and inner products of per-sample gradients, without a loop over samples
//! - [`lanczos`], [`spectrum`]: extreme eigenvalues of a symmetric operator, and the density of all of them
//! - [`outer_gradient`]: the gradient of one sample, which need not be written out
//! - [`convolution`], [`normalisation`]: what layers do beside products with a matrix
//! - [`sparse_images`]: products with images that are one colour nearly everywhere
//! - [`ranks`]: sorting values together with their places
//! - [`random`]: named, seeded generators
//! - [`slices`]: plain slices over tensor memory
//! - [`state`]: saving and restoring, to the bit

pub mod convolution;
pub mod lanczos;
pub mod layer;
pub mod mkl;
pub mod normalisation;
pub mod outer_gradient;
pub mod random;
pub mod ranks;
pub mod sample_gradients;
pub mod slices;
pub mod sparse_images;
pub mod spectrum;
pub mod state;
mod tridiagonal;

pub use convolution::Filters;
pub use layer::{Gradients, Layer, LayerDelta, LayerTrace, LinearMap, NormalisedTrace, Parameter, Role};
pub use normalisation::{NormalisedOver, Standardisation};
pub use outer_gradient::OuterGradient;
pub use random::Generator;
pub use state::{State, StateError, Stateful};
