//! `tasks.csv`: a row a task, with the outcome and every indicator.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::table::TableError;

/// One row: names and fields.
pub type TaskRow = Vec<(&'static str, String)>;

/// The column that every run has: the mean accuracy on each minibatch of the task before its update.
const OUTCOME: &str = "online_accuracy";

/// A value of a row: what it was, so that it reads back to the same bits; nothing where it is undefined.
pub fn field(value: Option<f64>) -> String {
    match value {
        // Debug is the shortest text that reads back to the same bits, with an exponent where that is shorter.
        Some(value) if !value.is_nan() => format!("{value:?}"),
        _ => String::new(),
    }
}

/// Reads the bytes of a `tasks.csv` by column; an empty field is an undefined value. `path` is for messages.
///
/// # Errors
/// No CSV, a field that is no number, a share beyond 0 to 1, a column twice, or no column `online_accuracy`.
pub fn read_tasks(path: &Path, bytes: impl Read) -> Result<BTreeMap<String, Vec<Option<f64>>>, TableError> {
    let refuse = |line, reason| TableError::new(path, line, reason);
    let mut reader = csv::Reader::from_reader(bytes);
    let names: Vec<String> =
        reader.headers().map_err(|e| TableError::of_csv(path, &e))?.iter().map(String::from).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.map_err(|e| TableError::of_csv(path, &e))?;
        for (index, field) in record.iter().enumerate() {
            let value = field.parse().ok().filter(|value| is_possible(&names[index], *value));
            if value.is_none() && !field.is_empty() {
                let line = record.position().map(csv::Position::line);
                let expected = if is_share(&names[index]) { "a number from 0 to 1" } else { "a number" };
                return Err(refuse(
                    line,
                    format!("{} holds {field:?}; expected {expected} or an empty field", names[index]),
                ));
            }
            columns[index].push(value);
        }
    }
    if !names.iter().any(|name| name == OUTCOME) {
        let reason = format!("has no column {OUTCOME}; expected a row a task with the outcome and every indicator");
        return Err(refuse(Some(1), reason));
    }
    let mut by_name = BTreeMap::new();
    for (name, column) in names.into_iter().zip(columns) {
        if by_name.insert(name.clone(), column).is_some() {
            return Err(refuse(Some(1), format!("has the column {name:?} twice; expected each once")));
        }
    }
    Ok(by_name)
}

fn is_share(column: &str) -> bool {
    [OUTCOME, "final_accuracy", "test_accuracy", "rho"].contains(&column)
}

/// Indicators may be infinite, as bounds are; no value is not-a-number, which is written as an empty field.
fn is_possible(column: &str, value: f64) -> bool {
    if is_share(column) { (0.0..=1.0).contains(&value) } else { !value.is_nan() }
}
