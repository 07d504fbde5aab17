//! Optimizers against other implementations of them, step for step.

mod adam;
mod sgd;
