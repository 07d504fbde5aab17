//! The formats of a report: terminal, Markdown, HTML, LaTeX; and the files.

pub(crate) mod files;
pub(crate) mod html;
pub(crate) mod latex;
pub(crate) mod markdown;
pub mod terminal;
