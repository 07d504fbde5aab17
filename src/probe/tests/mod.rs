//! Every measurement against a slow, obvious second computation.

mod activations;
mod blocks;
mod indicators;
mod measurements;
mod observing;
mod plain;
mod spectral;
mod statistics;
mod training;
