//! What the noise-curvature scheduler is compared with: code over tensors that knows nothing of files, configurations or
//! training loops.
//!
//! - [`activation`]: what stands between two layers, such as `relu` and `crelu`
//! - [`normalization`]: what becomes of a pre-activation before it enters the activation
//! - [`penalty`]: terms added to the loss, such as the Wasserstein distance to the initial weights
//! - [`weight_decay`]: what the optimizer shrinks the weights by
//! - [`gradient_rule`]: what becomes of the gradient before the optimizer takes it, such as clipping
//! - [`second_pass`]: changes of the gradient for which the minibatch passes once more
//! - [`surgery`]: interventions on the weights, such as a reset at each task
//! - [`indicator`]: measurements that are said to predict the loss of trainability
//! - [`part`], [`method`]: a method is a list of parts
//! - [`registry`]: every part and every indicator, by name

pub mod activation;
pub mod gradient_rule;
pub mod indicator;
pub mod method;
pub mod normalization;
pub mod options;
pub mod part;
pub mod penalty;
pub mod registry;
pub mod second_pass;
pub mod surgery;
pub mod weight_decay;
