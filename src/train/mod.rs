//! One run: the loop, what its rows hold, the checkpoint.

pub mod checkpoint;
pub mod columns;
mod images;
pub mod run;
pub mod summary;

pub use images::select_images;
pub use run::{Advance, Diverged, Run};
