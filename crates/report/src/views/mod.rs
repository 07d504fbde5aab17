//! What a reader sees, as data without a format: tables, figures, warnings, and the document that puts them in order.

pub(crate) mod against;
pub(crate) mod claims;
pub(crate) mod contents;
pub(crate) mod document;
pub(crate) mod figures;
pub(crate) mod glossary;
pub(crate) mod group_tables;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod unfinished;
pub(crate) mod warnings;
