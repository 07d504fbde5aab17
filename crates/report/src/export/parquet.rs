//! A Parquet file: texts, whole numbers and numbers, undefined values as nulls.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::long_rows::{ColumnType, LongFile, LongRows};

/// A Parquet file that grows by row groups.
pub(super) struct ParquetFile<'w> {
    writer: SerializedFileWriter<&'w mut (dyn Write + Send)>,
    contents: Vec<ColumnType>,
}

impl<'w> ParquetFile<'w> {
    pub(super) fn create(
        sink: &'w mut (dyn Write + Send),
        table: &str,
        names: &[String],
    ) -> Result<ParquetFile<'w>, String> {
        let schema = schema(table, names).map_err(|error| error.to_string())?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer =
            SerializedFileWriter::new(sink, schema, Arc::new(properties)).map_err(|error| error.to_string())?;
        Ok(ParquetFile { writer, contents: names.iter().map(|name| ColumnType::of(name)).collect() })
    }
}

fn schema(table: &str, names: &[String]) -> Result<TypePtr, ParquetError> {
    let field = |name: &String| {
        let (physical, logical) = match ColumnType::of(name) {
            ColumnType::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnType::Whole => (PhysicalType::INT64, Some(LogicalType::integer(64, false))),
            ColumnType::Number => (PhysicalType::DOUBLE, None),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical);
        field.build().map(Arc::new)
    };
    let fields = names.iter().map(field).collect::<Result<_, _>>()?;
    Type::group_type_builder(table).with_fields(fields).build().map(Arc::new)
}

impl LongFile for ParquetFile<'_> {
    fn add(&mut self, rows: &LongRows) -> Result<(), String> {
        if rows.rows() == 0 {
            return Ok(());
        }
        let mut write = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for (content, column) in self.contents.iter().zip(rows.iter()) {
                match content {
                    ColumnType::Text => {
                        write_column::<ByteArrayType>(&mut group, column, |text| Some(ByteArray::from(text)))
                    }
                    // Parquet keeps unsigned numbers by their bits.
                    ColumnType::Whole => write_column::<Int64Type>(&mut group, column, |text| {
                        text.parse::<u64>().ok().map(u64::cast_signed)
                    }),
                    ColumnType::Number => write_column::<DoubleType>(&mut group, column, |text| text.parse().ok()),
                }?;
            }
            group.close().map(drop)
        };
        write().map_err(|error| error.to_string())
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        self.writer.close().map(drop).map_err(|error| error.to_string())
    }
}

/// Writes the next column of a row group; an empty field, or one that `value` knows nothing to do with, is a null.
fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    column: &[Box<str>],
    value: impl Fn(&str) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else { return Ok(()) };
    let values: Vec<Option<T::T>> =
        column.iter().map(|field| if field.is_empty() { None } else { value(field) }).collect();
    let defined: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    writer.typed::<T>().write_batch(&values, Some(&defined), None)?;
    writer.close()
}
