//! What a reader sees, as data without a format: tables, figures, warnings, and the document that puts them in order.

pub mod claims;
pub mod contents;
pub mod document;
pub mod figures;
pub mod glossary;
pub mod group_tables;
pub mod table;
pub mod tables;
pub mod warnings;
