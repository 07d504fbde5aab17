//! Networks: a [`Model`] takes a batch to logits, and each of its layers leaves behind in a [`Pass`] what measurements need.
//!
//! The perceptron and the convolutional network of experiments are [`Chain`]s, one layer after the other. A network of one's
//! own implements [`Model`] with whatever graph it likes; `examples/own_network.rs` shows one with residual connections.

mod architecture;
mod chain;
mod closure_model;
mod definition;
mod from_nn;
mod initialisation;
mod inputs;
mod layer_chain;
mod loss;
mod options;
mod pass;
mod residual;
mod shape;
mod stack;
mod transformer;

#[cfg(test)]
mod tests;

pub use architecture::Architecture;
pub use chain::Chain;
pub use closure_model::ClosureModel;
pub use definition::{Backward, Model, TrainingPass, deltas, gradients};
pub(crate) use initialisation::fresh_weight;
pub use initialisation::initialise;
pub use inputs::{Inputs, TaskImages};
pub use layer_chain::LayerChain;
pub use loss::{CrossEntropy, cross_entropy};
pub(crate) use loss::{correct, hits};
pub use options::{NetworkKind, NetworkOptions};
pub use pass::Pass;
pub use residual::ResidualShape;
pub use shape::{Convolutions, LayerShape, Shape};
pub(crate) use stack::{Stack, StackedBackward, StackedPass, row_of, split_row};
pub use transformer::TransformerShape;
