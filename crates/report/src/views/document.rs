//! The report as a list of blocks of plain text, which the Markdown and the HTML writer each render and escape.

use crate::views::figures::Drawn;
use crate::views::table::Table;

/// A report: title and blocks.
pub(crate) struct Document<'a> {
    /// The title.
    pub title: String,
    /// The content, in order.
    pub blocks: Vec<Block<'a>>,
}

/// A piece of a report. All text is plain: the writers escape it.
pub(crate) enum Block<'a> {
    /// A section's heading, and the anchor that links to it.
    Section(&'static str, &'static str),
    /// A paragraph.
    Paragraph(String),
    /// Warnings, set apart from everything else.
    Warnings(Vec<String>),
    /// A table with its heading and note.
    Table(Table),
    /// The table that holds the answer; how to read it follows in a note of its own.
    Headline(Table),
    /// How to read what stands above.
    Note(String),
    /// A figure: its images under its heading, and how to read it.
    Figure(&'a Drawn),
    /// Terms with their definitions.
    Definitions(Vec<(String, String)>),
    /// Text as it stands in a file.
    Verbatim(String),
}
