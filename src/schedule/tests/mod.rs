//! Plain decays against closed forms and PyTorch's values, the rates of a file, the noise bounds on synthetic gradients,
//! and the scope `network` against a slow, obvious computation in f64.

mod bounds;
mod decays;
mod network_scope;
mod replay;
