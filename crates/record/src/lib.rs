//! The files of a sweep: what stands in them, how they are written, and how they are read back.
//!
//! ```text
//! sweep.json                                 configuration, provenance, and a glossary of what was run   (sweep, glossary)
//! runs/METHOD/SCHEDULE/seed-N/run.json       where a run stands, with all its options                    (run)
//! runs/METHOD/SCHEDULE/seed-N/tasks.csv      a row a task                                                (tasks)
//! runs/METHOD/SCHEDULE/seed-N/controls.csv   a row a layer at each measured update                       (controls)
//! ```
//!
//! JSON files end with a digest of all else that they hold ([`digest`]); the CSV files of a run that is over have their
//! checksums in its `run.json`. A file is written under a temporary name and renamed, so that it is complete or absent;
//! the CSV files grow under the name of a `.partial` ([`recorder`]), and can be looked at while they do ([`partial`]). Numbers
//! read back to the same bits, and an undefined value is an empty field.

pub mod atomic;
pub mod controls;
pub mod digest;
pub mod glossary;
pub mod label;
pub mod partial;
pub mod recorder;
pub mod run;
pub mod sweep;
pub mod table;
pub mod tasks;
pub mod text;

pub use controls::ControlRow;
pub use digest::Damage;
pub use glossary::Glossary;
pub use recorder::{CSV_FILES, Recorder};
pub use run::{LayerEvents, RunRecord, Status, read_record};
pub use tasks::TaskRow;
