//! Every measurement against a slow, obvious second computation.

mod activations;
mod blocks;
mod convolutional;
mod indicators;
mod measurements;
mod normalised;
mod observing;
mod plain;
mod plasticity;
mod spectral;
mod statistics;
mod training;
