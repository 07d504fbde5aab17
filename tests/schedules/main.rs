//! Schedules: plain decays against closed forms and PyTorch's values, the ablations of the controller in whole runs, and
//! the scope `network` against a slow, obvious computation in f64.

mod decays;
mod network_scope;
mod runs;
#[path = "../common/tiny.rs"]
#[allow(dead_code)]
mod tiny;
