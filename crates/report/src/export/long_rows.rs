//! Rows by column, as the text that stands in the files.

use std::path::Path;

use crate::refusal::Refusal;

/// The columns that tell which run a row is of.
pub(super) const KEYS: [&str; 5] = ["sweep", "method", "schedule", "seed", "status"];
/// Columns of whole numbers.
const WHOLE: [&str; 4] = ["seed", "task", "update", "updates"];
/// Columns of texts.
const TEXT: [&str; 6] = ["sweep", "method", "schedule", "status", "layer", "action"];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Text,
    Whole,
    Number,
}

impl ColumnType {
    /// What the column of this name holds.
    pub(super) fn of(name: &str) -> ColumnType {
        match name {
            _ if TEXT.contains(&name) => ColumnType::Text,
            _ if WHOLE.contains(&name) => ColumnType::Whole,
            _ => ColumnType::Number,
        }
    }

    /// What a field of it should be.
    fn expected(self) -> &'static str {
        match self {
            ColumnType::Text => "a text",
            ColumnType::Whole => "a whole number",
            ColumnType::Number => "a number",
        }
    }

    /// Whether a field can stand in such a column; an empty one is undefined, and can stand in any.
    fn holds(self, field: &str) -> bool {
        match self {
            ColumnType::Text => true,
            ColumnType::Whole => field.is_empty() || field.parse::<u64>().is_ok(),
            ColumnType::Number => field.is_empty() || field.parse::<f64>().is_ok(),
        }
    }
}

/// Columns of equal length, in the order of their names.
#[derive(Debug)]
pub(super) struct LongRows {
    columns: Vec<Vec<Box<str>>>,
}

impl LongRows {
    /// No rows.
    pub(super) fn new(names: &[String]) -> LongRows {
        LongRows { columns: vec![Vec::new(); names.len()] }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// The columns, in the order of their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[Box<str>]> {
        self.columns.iter().map(Vec::as_slice)
    }

    /// Adds the rows of others of the same names.
    pub(super) fn append(&mut self, others: LongRows) {
        for (column, other) in self.columns.iter_mut().zip(others.columns) {
            column.extend(other);
        }
    }

    /// The rows of a run's file, with its keys before them.
    ///
    /// # Errors
    /// It is no CSV, or a field is not what its column holds.
    pub(super) fn read(path: &Path, bytes: &[u8], keys: [String; 5], names: &[String]) -> Result<LongRows, Refusal> {
        let mut reader = csv::Reader::from_reader(bytes);
        let header = reader.headers().map_err(|error| refuse_csv(path, &error))?.clone();
        let places: Vec<Option<usize>> =
            names.iter().map(|name| header.iter().position(|column| column == name)).collect();
        let contents: Vec<ColumnType> = names.iter().map(|name| ColumnType::of(name)).collect();
        let mut rows = LongRows::new(names);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|error| refuse_csv(path, &error))? {
            for (index, column) in rows.columns.iter_mut().enumerate() {
                let field = match (keys.get(index), places[index]) {
                    (Some(key), _) => key,
                    (None, Some(place)) => &record[place],
                    (None, None) => "",
                };
                if !contents[index].holds(field) {
                    let line = record.position().map_or(0, csv::Position::line);
                    let (name, path, expected) = (&names[index], path.display(), contents[index].expected());
                    return Err(Refusal::new(format_args!(
                        "{path}, line {line}: {name} is {field:?}, expected {expected}"
                    )));
                }
                column.push(field.into());
            }
        }
        Ok(rows)
    }
}

/// What is wrong with a file that is no CSV.
pub(super) fn refuse_csv(path: &Path, error: &csv::Error) -> Refusal {
    Refusal::new(format_args!("{} is no CSV file: {error}", path.display()))
}

/// A file of long rows that grows.
pub(super) trait LongFile {
    /// Adds rows.
    fn add(&mut self, rows: &LongRows) -> Result<(), String>;
    /// Writes what is left to be written.
    fn finish(self: Box<Self>) -> Result<(), String>;
}
