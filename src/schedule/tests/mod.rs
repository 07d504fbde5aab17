//! Plain decays against closed forms and PyTorch's values, the noise bounds on synthetic gradients, and the scope `network` against a slow, obvious computation in f64.

mod bounds;
mod decays;
mod network_scope;
