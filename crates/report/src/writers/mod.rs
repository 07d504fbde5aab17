//! The formats of a report: terminal, Markdown, HTML, LaTeX; and the files.

pub mod files;
pub mod html;
pub mod latex;
pub mod markdown;
pub mod terminal;
