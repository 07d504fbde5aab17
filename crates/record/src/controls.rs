//! `controls.csv`: a row for each layer at each measured update. Which statistics and bounds it has is the trainer's choice;
//! before them stand task, update, layer and learning rate, after them what the schedule did.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::ser::{Serialize, SerializeTuple, Serializer};

use crate::table::TableError;

/// The columns before the values.
const BEFORE: [&str; 4] = ["task", "update", "layer", "learning_rate"];
/// The column after them.
const ACTION: &str = "action";

/// One row: a measured update of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlRow {
    /// Task, counted from 0.
    pub task: usize,
    /// Update, counted from 1 over the whole run.
    pub update: u64,
    /// Layer name.
    pub layer: String,
    /// Learning rate before the schedule acted.
    pub learning_rate: f64,
    /// Statistics and bounds under their columns; `None` is undefined, and an empty field.
    pub values: Vec<(Cow<'static, str>, Option<f64>)>,
    /// What the schedule did: `cooled`, `warmed`, `held`, `undefined`, or empty where there is none.
    pub action: String,
}

impl ControlRow {
    /// The value under a column, if there is such a column and the value is defined.
    pub fn value(&self, column: &str) -> Option<f64> {
        self.values.iter().find(|(name, _)| name == column)?.1
    }
}

/// As its fields, one after the other: rows of `csv` have as many as their header.
impl Serialize for ControlRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_tuple(BEFORE.len() + self.values.len() + 1)?;
        row.serialize_element(&self.task)?;
        row.serialize_element(&self.update)?;
        row.serialize_element(&self.layer)?;
        row.serialize_element(&self.learning_rate)?;
        self.values.iter().try_for_each(|(_, value)| row.serialize_element(value))?;
        row.serialize_element(&self.action)?;
        row.end()
    }
}

/// The whole header of a file with these columns of values.
pub fn control_columns(values: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    BEFORE.into_iter().chain(values).chain([ACTION]).collect()
}

/// The measured updates of one layer, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSeries {
    /// The layer's name.
    pub layer: String,
    /// The task of each, counted from 0.
    pub tasks: Vec<usize>,
    /// Updates, counted from 1 over the whole run.
    pub updates: Vec<u64>,
    /// The learning rate at each, before the schedule acted.
    pub learning_rates: Vec<f64>,
    /// The values that were asked for, by column, one an update; undefined ones are NaN.
    pub columns: BTreeMap<String, Vec<f64>>,
}

impl LayerSeries {
    /// The values under a column; none if it was not asked for.
    pub fn column(&self, name: &str) -> &[f64] {
        self.columns.get(name).map_or(&[], Vec::as_slice)
    }

    /// Keeps the updates that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(u64) -> bool) {
        let kept: Vec<bool> = self.updates.iter().map(|update| wanted(*update)).collect();
        fn keep<T>(values: &mut Vec<T>, kept: &[bool]) {
            let mut kept = kept.iter();
            values.retain(|_| kept.next().is_some_and(|kept| *kept));
        }
        keep(&mut self.tasks, &kept);
        keep(&mut self.updates, &kept);
        keep(&mut self.learning_rates, &kept);
        self.columns.values_mut().for_each(|values| keep(values, &kept));
    }
}

/// The most layers of a network, and characters of a layer's name: figures have a panel for each.
const MOST_LAYERS: usize = 1000;
const MOST_CHARACTERS: usize = 80;

/// Reads the bytes of a `controls.csv`, layer by layer in the order in which they first appear, with the `wanted` of its
/// columns, and with those of the `optional` that it has; `path` is for messages. What other columns hold is not looked at.
///
/// # Errors
/// The bytes cannot be read, a column is missing or there twice, a row is not one of `controls.csv`, or there are too many
/// layers.
pub fn read_traces(
    path: &Path,
    bytes: impl Read,
    wanted: &[&str],
    optional: &[&str],
) -> Result<Vec<LayerSeries>, TableError> {
    let mut file = ControlFile::open(path, bytes)?;
    let has = |name: &&&str| file.names.iter().any(|known| known == **name);
    let wanted: Vec<&str> = wanted.iter().chain(optional.iter().filter(has)).copied().collect();
    file.read_alone(&wanted)?;
    let mut traces: Vec<LayerSeries> = Vec::new();
    // By layer, then by wanted column: looked up by name once, and not at every row.
    let mut values: Vec<Vec<Vec<f64>>> = Vec::new();
    while let Some(row) = file.next()? {
        let known = traces.iter().position(|trace| trace.layer == row.layer);
        if known.is_none() && (traces.len() == MOST_LAYERS || row.layer.chars().count() > MOST_CHARACTERS) {
            let shown: String = row.layer.chars().take(MOST_CHARACTERS).collect();
            return Err(file.refuse(format!(
                "{shown:?} begins layer {} of the run; expected at most {MOST_LAYERS}, with names of at most \
                 {MOST_CHARACTERS} characters",
                traces.len() + 1
            )));
        }
        let place = known.unwrap_or_else(|| {
            let (layer, tasks, columns) = (row.layer, Vec::new(), BTreeMap::new());
            traces.push(LayerSeries { layer, tasks, updates: Vec::new(), learning_rates: Vec::new(), columns });
            values.push(vec![Vec::new(); wanted.len()]);
            traces.len() - 1
        });
        let trace = &mut traces[place];
        trace.tasks.push(row.task);
        trace.updates.push(row.update);
        trace.learning_rates.push(row.learning_rate);
        for (column, value) in values[place].iter_mut().zip(&file.values) {
            column.push(value.unwrap_or(f64::NAN));
        }
    }
    for (trace, values) in traces.iter_mut().zip(values) {
        trace.columns = wanted.iter().map(|name| (*name).to_owned()).zip(values).collect();
    }
    Ok(traces)
}

/// Reads the bytes of a `controls.csv` row by row, with all its columns; `path` is for messages.
///
/// # Errors
/// As [`read_traces`].
pub fn read_rows(path: &Path, bytes: impl Read) -> Result<Vec<ControlRow>, TableError> {
    let mut file = ControlFile::open(path, bytes)?;
    let mut rows = Vec::new();
    while let Some(mut row) = file.next()? {
        let names = file.names.iter().map(|name| Cow::Owned(name.clone()));
        row.values = names.zip(file.values.iter().copied()).collect();
        rows.push(row);
    }
    Ok(rows)
}

/// A file that is read, with the values of its current row.
struct ControlFile<'p, R> {
    path: &'p Path,
    reader: csv::Reader<R>,
    record: csv::StringRecord,
    /// The places of the fixed columns, those of [`BEFORE`] and [`ACTION`].
    fixed: [usize; 5],
    /// The other columns that are read, and their places.
    names: Vec<String>,
    places: Vec<usize>,
    values: Vec<Option<f64>>,
}

impl<'p, R: Read> ControlFile<'p, R> {
    fn open(path: &'p Path, bytes: R) -> Result<Self, TableError> {
        let mut reader = csv::Reader::from_reader(bytes);
        let headers: Vec<String> =
            reader.headers().map_err(|e| TableError::of_csv(path, &e))?.iter().map(String::from).collect();
        if let Some(twice) = (1..headers.len()).find(|place| headers[..*place].contains(&headers[*place])) {
            let reason = format!("has the column {:?} twice; expected each once", headers[twice]);
            return Err(TableError::new(path, Some(1), reason));
        }
        let mut fixed = [0; 5];
        for (place, name) in fixed.iter_mut().zip(BEFORE.into_iter().chain([ACTION])) {
            *place = headers.iter().position(|header| header == name).ok_or_else(|| missing(path, name))?;
        }
        let (places, names): (Vec<usize>, Vec<String>) =
            headers.into_iter().enumerate().filter(|(place, _)| !fixed.contains(place)).unzip();
        let values = vec![None; names.len()];
        Ok(Self { path, reader, record: csv::StringRecord::new(), fixed, names, places, values })
    }

    /// Reads no other values than those of these columns, in their order: most of a file is never looked at.
    fn read_alone(&mut self, wanted: &[&str]) -> Result<(), TableError> {
        let place = |column: &&str| {
            let found = self.names.iter().position(|name| name == column);
            found.map(|index| self.places[index]).ok_or_else(|| missing(self.path, column))
        };
        self.places = wanted.iter().map(place).collect::<Result<_, _>>()?;
        self.names = wanted.iter().map(|&name| name.to_owned()).collect();
        self.values = vec![None; wanted.len()];
        Ok(())
    }

    /// The next row but for its values, which are left in `values`.
    fn next(&mut self) -> Result<Option<ControlRow>, TableError> {
        if !self.reader.read_record(&mut self.record).map_err(|e| TableError::of_csv(self.path, &e))? {
            return Ok(None);
        }
        for index in 0..self.values.len() {
            let field = &self.record[self.places[index]];
            self.values[index] = match field.parse() {
                Ok(value) => Some(value),
                Err(_) if field.is_empty() => None,
                Err(_) => return Err(self.not(&self.names[index], field, "a number or an empty field")),
            };
        }
        let [task, update, layer, learning_rate, action] = self.fixed.map(|place| &self.record[place]);
        Ok(Some(ControlRow {
            task: task.parse().map_err(|_| self.not("task", task, "a whole number"))?,
            update: update.parse().map_err(|_| self.not("update", update, "a whole number"))?,
            layer: layer.to_owned(),
            learning_rate: learning_rate.parse().map_err(|_| self.not("learning_rate", learning_rate, "a number"))?,
            values: Vec::new(),
            action: action.to_owned(),
        }))
    }

    fn not(&self, column: &str, field: &str, expected: &str) -> TableError {
        self.refuse(format!("{column} holds {field:?}; expected {expected}"))
    }

    /// Refuses the current row.
    fn refuse(&self, reason: String) -> TableError {
        TableError::new(self.path, self.record.position().map(csv::Position::line), reason)
    }
}

fn missing(path: &Path, column: &str) -> TableError {
    TableError::new(path, Some(1), format!("has no column {column}; expected a row a layer at each measured update"))
}
