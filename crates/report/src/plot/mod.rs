//! Drawing: a plot as data, laid out and painted as PNG and SVG; it knows nothing of sweeps.

pub mod axis;
pub mod canvas;
pub mod data;
pub mod palette;
pub mod panels;
pub mod picture;
pub mod style;
