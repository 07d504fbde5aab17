//! What the noise-curvature scheduler is compared with: pure code over tensors that knows nothing of files,
//! configurations or training loops.
//!
//! - [`activation`]: what stands between two layers, such as `relu` and `crelu`
//! - [`normalization`]: what becomes of a pre-activation before it enters the activation
//! - [`penalty`]: terms added to the loss, such as the Wasserstein distance to the initial weights
//! - [`gradient_rule`]: what becomes of the gradient before the optimizer takes it, such as clipping
//! - [`surgery`]: interventions on the weights, such as a reset at each task
//! - [`indicator`]: measurements that are said to predict the loss of trainability
//! - [`method`]: the registry that makes a method out of these parts
//! - [`state`]: how every stateful part is saved and restored
//! - [`lanczos`]: extreme eigenvalues of symmetric operators
//! - [`spectrum`]: the density of their eigenvalues
//! - [`ranks`]: sorting values with their indices
//! - [`slices`]: plain slices over tensor memory
//! - [`layers`]: the parameters of a network, layer by layer
//! - [`convolution`]: the linear map of a convolutional layer
//! - [`sample_gradients`]: what single samples' gradients amount to

pub mod activation;
pub mod convolution;
pub mod gradient_rule;
pub mod indicator;
pub mod lanczos;
pub mod layers;
pub mod method;
pub mod mkl;
pub mod normalization;
pub mod penalty;
pub mod ranks;
pub mod sample_gradients;
pub mod slices;
pub mod spectrum;
pub mod state;
pub mod surgery;

pub use layers::{Gradients, LayerDelta, LayerParameters, LayerTrace, LinearMap, NormalisedTrace, Parameter};
pub use method::{Method, PARTS, Part};
pub use state::{State, StateError, Stateful};
