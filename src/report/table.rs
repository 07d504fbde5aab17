//! A table as data: drawn for the terminal here, and by the Markdown and HTML writers.

use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, TableComponent, presets};

use crate::text::printable;

/// A table with its heading and the sentence that says how to read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// How to read it; empty for none.
    pub note: String,
    /// Column headings, and whether the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// Rows of as many cells as there are columns.
    pub rows: Vec<Vec<String>>,
    /// For each row, whether it is a reference that the others are compared with; such rows are set apart.
    pub reference: Vec<bool>,
}

impl Table {
    /// A table without rows; headings that start with `#` mark columns of numbers.
    pub fn new(title: &str, note: &str, headings: &[&str]) -> Self {
        let column = |heading: &&str| match heading.strip_prefix('#') {
            Some(heading) => (heading.to_owned(), true),
            None => ((*heading).to_owned(), false),
        };
        let columns = headings.iter().map(column).collect();
        Self { title: title.into(), note: note.into(), columns, ..Self::default() }
    }

    /// Appends a row; a reference is one that the others are compared with.
    pub fn push(&mut self, cells: Vec<String>, reference: bool) {
        self.rows.push(cells);
        self.reference.push(reference);
    }

    /// The table for a terminal of this many characters, without heading and note.
    pub fn terminal(&self, width: u16) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_header(self.columns.iter().map(|(heading, _)| Cell::new(heading).add_attribute(Attribute::Bold)));
        for (cells, reference) in self.rows.iter().zip(&self.reference) {
            let style = |cell: &String| {
                let cell = Cell::new(printable(cell));
                if *reference { cell.add_attribute(Attribute::Italic) } else { cell }
            };
            let row = Row::from(cells.iter().map(style));
            table.add_row(row);
        }
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if place + 1 < self.columns.len() { 2 } else { 0 }));
            if self.columns[place].1 {
                column.set_cell_alignment(CellAlignment::Right);
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table.trim_fmt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_wrap_within_the_width() {
        let mut table = Table::new("t", "", &["method", "#n"]);
        table.push(vec!["a very long method label, ".repeat(12), "5".into()], false);
        assert!(table.terminal(100).lines().all(|line| line.chars().count() <= 100));
    }
}
