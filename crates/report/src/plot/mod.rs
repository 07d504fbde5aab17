//! Drawing: a plot as data, laid out and painted as PNG and SVG; it knows nothing of sweeps.

pub(crate) mod axis;
pub(crate) mod canvas;
pub mod data;
mod palette;
pub(crate) mod panels;
pub mod picture;
pub mod style;

pub use canvas::DrawError;
