//! A table as data: drawn for the terminal here, and by the Markdown and HTML writers.

use comfy_table::{Attribute, Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, TableComponent, presets};
use trainability_record::text::{pieces, printable};
use trainability_stats::{Estimate, Undefined};

/// Where a label may break in a terminal: no text holds it once it is printable, and it is taken out of what is printed.
const BREAK: char = '\u{200b}';
/// After which characters it may.
const JOINTS: [char; 5] = ['-', '+', '=', '@', ','];

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
    pub(crate) fn terminal(&self, width: u16) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_header(self.columns.iter().map(|(heading, _)| Cell::new(heading).add_attribute(Attribute::Bold)));
        for (cells, reference) in self.rows.iter().zip(&self.reference) {
            let style = |cell: &String| {
                let text = printable(cell);
                let cell = if text.contains(' ') {
                    Cell::new(text)
                } else {
                    Cell::new(pieces(&text, &JOINTS).join(&BREAK.to_string())).set_delimiter(BREAK)
                };
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
        table.trim_fmt().replace(BREAK, "")
    }
}

/// The number that a cell is sorted by: the point before an interval, a share's quotient, the bound of "<0.001";
/// `None` where there is no number.
pub(crate) fn point(cell: &str) -> Option<f64> {
    let first = cell.split_whitespace().next()?.replace('−', "-").replace(',', "");
    let number = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
    match (first.split_once('/'), first.strip_prefix('<')) {
        (Some((part, whole)), _) => number(part).zip(number(whole).filter(|whole| *whole > 0.0)).map(|(p, w)| p / w),
        // Below every value that is written out.
        (None, Some(bound)) => number(bound).map(|bound| 0.5 * bound),
        (None, None) => number(&first),
    }
}

/// A p as tables show it; a dash where there is none.
pub(crate) fn p_value(p: &Result<f64, Undefined>) -> String {
    match p {
        Ok(p) if *p < 0.001 => "<0.001".into(),
        Ok(p) => format!("{p:.3}"),
        Err(_) => "–".into(),
    }
}

/// A point with its interval; a dash where there is no number, and none in place of an interval that does not exist.
pub(crate) fn cell(estimate: &Result<Estimate, Undefined>, number: impl Fn(f64) -> String) -> String {
    let Ok(estimate) = estimate else { return "–".into() };
    match estimate.interval() {
        Ok(interval) => {
            format!("{} [{}, {}]", number(estimate.point()), number(interval.low), number(interval.high))
        }
        Err(_) => format!("{} [none]", number(estimate.point())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_sorted_by_their_point() {
        let cases = [
            ("0.123 [0.1, 0.2]", Some(0.123)),
            ("−0.045 [−0.081, −0.015]", Some(-0.045)),
            ("+12", Some(12.0)),
            ("1,234,567", Some(1_234_567.0)),
            ("12.5 %", Some(12.5)),
            ("<0.001", Some(0.0005)),
            ("3/4", Some(0.75)),
            ("0/0", None),
            ("0.5 [none]", Some(0.5)),
            ("–", None),
            ("never fired", None),
            ("inf", None),
            ("", None),
        ];
        for (cell, expected) in cases {
            assert_eq!(point(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn long_labels_wrap_within_the_width() {
        let mut table = Table::new("t", "", &["method", "#n"]);
        table.push(vec!["a very long method label, ".repeat(12), "5".into()], false);
        assert!(table.terminal(100).lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn labels_without_spaces_break_between_their_options() {
        let mut table = Table::new("t", "", &["method", "schedule", "#n"]);
        let label = "anti_regularization-coefficient=0.001-radius=1.5+shrink_perturb-shrink=0.99@learning_rate=1e-3";
        table.push(vec![label.into(), "relu".into(), "5".into()], false);
        let printed = table.terminal(60);
        let lines: Vec<&str> = printed.lines().skip(2).filter_map(|line| line.split(' ').next()).collect();
        assert!(lines.len() > 1 && lines.concat() == label, "{printed}");
        assert!(lines[..lines.len() - 1].iter().all(|line| line.ends_with(['-', '+', '=', '@'])), "{printed}");
    }
}
