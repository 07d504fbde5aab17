//! Networks that other programs trained.

mod golden;
mod methods;
mod other_networks;
