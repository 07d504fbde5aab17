//! Long tables hold what the runs' files hold.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use trainability_record::run::run_folders;
use trainability_record::{CSV_FILES, read_record};

use super::synthetic::{Plan, Workplace};
use crate::export::{ExportFormat, export};

/// The rows of the long CSV file, field by name.
fn long_csv(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn a_long_table_has_every_row_of_every_run_with_its_digits() {
    let workplace = Workplace::new(&Plan::small());
    let out = tempfile::tempdir().unwrap();
    let sweeps = [workplace.results()];
    let exported = export(&sweeps, out.path(), ExportFormat::Csv).unwrap();
    let runs = run_folders(&sweeps[0]);
    assert_eq!((exported.runs, exported.left_out.len()), (runs.len(), 0));
    for (name, (path, rows)) in CSV_FILES.iter().zip(&exported.files) {
        let long = long_csv(path);
        assert_eq!(long.len() as u64, *rows);
        let mut place = 0;
        for run in &runs {
            let record = read_record(run).unwrap().unwrap();
            for own in long_csv(&run.join(name)) {
                let row = &long[place];
                assert_eq!((&row["method"], &row["schedule"]), (&record.method, &record.schedule));
                assert_eq!(
                    (row["seed"].as_str(), row["status"].as_str()),
                    (record.seed.to_string().as_str(), "finished")
                );
                assert!(own.iter().all(|(column, field)| row[column] == *field), "{name}, row {place}");
                place += 1;
            }
        }
        assert_eq!(place, long.len());
    }
}

#[test]
fn parquet_reads_back_to_the_same_bits() {
    let workplace = Workplace::new(&Plan::small());
    let out = tempfile::tempdir().unwrap();
    let sweeps = [workplace.results()];
    export(&sweeps, out.path(), ExportFormat::Csv).unwrap();
    export(&sweeps, out.path(), ExportFormat::Parquet).unwrap();
    for name in CSV_FILES {
        let texts = long_csv(&out.path().join(name));
        let reader = SerializedFileReader::new(File::open(out.path().join(name).with_extension("parquet")).unwrap());
        let rows: Vec<_> = reader.unwrap().get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), texts.len());
        for (row, text) in rows.iter().zip(&texts) {
            for (column, field) in row.get_column_iter() {
                let expected = text[column].as_str();
                match field {
                    Field::Null => assert_eq!(expected, "", "{column}"),
                    Field::Str(found) => assert_eq!(found, expected),
                    Field::ULong(found) => assert_eq!(found.to_string(), expected),
                    Field::Double(found) => assert_eq!(found.to_bits(), expected.parse::<f64>().unwrap().to_bits()),
                    other => panic!("{column} holds {other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_damaged_run_is_left_out_by_name_and_a_wrong_field_is_refused_by_its_line() {
    let workplace = Workplace::new(&Plan::small());
    let out = tempfile::tempdir().unwrap();
    let sweep = workplace.results();
    let runs = run_folders(&sweep);
    std::fs::write(runs[0].join("run.json"), "{}").unwrap();
    let exported = export(std::slice::from_ref(&sweep), out.path(), ExportFormat::Parquet).unwrap();
    assert_eq!(exported.runs, runs.len() - 1);
    assert!(exported.left_out[0].contains("run.json is damaged: it has no digest"), "{:?}", exported.left_out);
    let path = runs[1].join("tasks.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\n0,", "\nx,", 1)).unwrap();
    let refused = export(&[sweep], out.path(), ExportFormat::Parquet).unwrap_err().to_string();
    assert!(refused.ends_with("tasks.csv, line 2: task is \"x\", expected a whole number"), "{refused}");
    let none = export(&[out.path().to_owned()], out.path(), ExportFormat::Csv).unwrap_err().to_string();
    assert!(none.ends_with("holds no runs, expected the folder of a sweep"), "{none}");
}
