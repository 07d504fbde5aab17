//! One long CSV file.

use std::io::Write;

use super::long_rows::{LongFile, LongRows};

/// A CSV file that grows.
pub(super) struct LongCsv<'w> {
    writer: csv::Writer<&'w mut (dyn Write + Send)>,
}

impl<'w> LongCsv<'w> {
    pub(super) fn create(sink: &'w mut (dyn Write + Send), names: &[String]) -> Result<LongCsv<'w>, String> {
        let mut writer = csv::Writer::from_writer(sink);
        writer.write_record(names).map_err(|error| error.to_string())?;
        Ok(LongCsv { writer })
    }
}

impl LongFile for LongCsv<'_> {
    fn add(&mut self, rows: &LongRows) -> Result<(), String> {
        (0..rows.rows()).try_for_each(|row| {
            let fields = rows.iter().map(|column| column[row].as_bytes());
            self.writer.write_record(fields).map_err(|error| error.to_string())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        self.writer.flush().map_err(|error| error.to_string())
    }
}
