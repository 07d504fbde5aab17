//! What is measured at an update: gradient noise, curvature and its window, layer by layer; and the list of indicators.

pub mod catalogue;
pub mod curvature;
pub mod gauss_newton;
pub mod hessian;
mod network_statistics;
pub mod noise;
pub mod patch_side;
pub mod penalised;
pub mod smooth;
pub mod statistics;
pub mod window;

pub use catalogue::{OWN, TRIVIAL, catalogue};
pub use statistics::{LayerStatistics, Probe, ProbeOptions, Scene};
