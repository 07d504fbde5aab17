//! Plain decays against closed forms and PyTorch's values, and the scope `network` against a slow, obvious computation in f64.

mod decays;
mod network_scope;
