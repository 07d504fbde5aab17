//! What is measured at an update: gradient noise, curvature and its window, layer by layer.

pub mod curvature;
pub mod gauss_newton;
pub mod hessian;
mod network_statistics;
pub mod noise;
pub mod patch_side;
pub mod penalised;
pub mod smooth;
mod statistics;
mod view;
pub mod window;

pub use statistics::{LayerStatistics, Probe, ProbeOptions, ProbeSeconds, STATISTICS};
pub use view::UpdateView;
