//! What is measured at an update: gradient noise, curvature and its window, layer by layer.

pub mod curvature;
mod gauss_newton;
pub mod hessian;
mod network_statistics;
pub mod noise;
mod patch_side;
mod penalised;
mod smooth;
mod statistics;
pub(crate) mod tangent_kernel;
pub(crate) mod together;
mod view;
pub mod window;

#[cfg(test)]
mod tests;

pub use noise::NoiseSamples;
pub(crate) use statistics::{LayerFindings, why_undefined};
pub use statistics::{LayerStatistics, Probe, ProbeOptions, STATISTICS};
pub use view::UpdateView;
