//! From a sweep's folder to what people read: tables in the terminal, CSV files, figures, and a report as Markdown and HTML.
//!
//! The way of the data: [`results`] reads the folder, [`selection`] chooses and [`combine`] puts sweeps together, [`evidence`]
//! computes every statistic once, [`views`] are tables, figures and warnings as data, [`writers`] give them a format;
//! [`write`](mod@write) calls one after the other. Nothing here touches a tensor, and nothing but the files named in
//! [`ReportFiles`] is written.

#![allow(rustdoc::private_intra_doc_links, reason = "the map above is for those who work here")]

mod combine;
#[cfg(feature = "program")]
mod complaint;
mod error;
mod evidence;
#[cfg(feature = "program")]
mod export;
mod figures_bound;
mod groups;
pub mod plot;
#[cfg(feature = "program")]
pub mod program;
#[cfg(any(test, feature = "fuzzing"))]
pub mod readers;
mod refusal;
mod results;
mod results_error;
mod selected;
mod selection;
mod series;
mod setting;
#[cfg(test)]
mod tests;
mod views;
#[cfg(feature = "program")]
mod whereabouts;
mod wording;
mod write;
mod writers;

pub use error::ReportError;
pub use refusal::Refusal;
pub use results_error::ResultsError;
pub use selection::Filter;
pub use views::table::Table;
pub use write::{Format, ReportFiles, Request, write_request};
pub use writers::terminal;
