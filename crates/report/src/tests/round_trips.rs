//! What a run writes reads back to the same bits.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use trainability_record::controls::{ControlRow, control_columns, read_rows, read_traces};
use trainability_record::recorder::{Columns, Recorder};
use trainability_record::tasks::{field, read_tasks};

use super::damaged::damage::check;

/// Columns of values.
const VALUES: [&str; 6] =
    ["effective_step", "noise_variance", "sharpness", "noise_bound", "volatility_bound", "combined_bound"];

/// Numbers of every kind: all bit patterns, and those that texts get wrong.
fn number() -> impl Strategy<Value = f64> {
    let odd = [0.0, -0.0, 5e-324, -2.5e-310, f64::MIN_POSITIVE, f64::MAX, f64::MIN, 0.1 + 0.2, 1e23, f64::EPSILON];
    let undefined = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    prop_oneof![any::<u64>().prop_map(f64::from_bits), prop::sample::select([&odd[..], &undefined].concat())]
}

/// The bits, with one pattern for everything that is undefined.
fn bits(value: Option<f64>) -> Option<u64> {
    value.filter(|value| !value.is_nan()).map(f64::to_bits)
}

#[test]
fn every_number_of_tasks_csv() {
    check(200, prop::collection::vec(prop::option::of(number()), 1..30), |values| {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["online_accuracy", "sharpness"]).unwrap();
        values.iter().for_each(|value| writer.write_record(["0.5".to_owned(), field(*value)]).unwrap());
        let columns = read_tasks(Path::new("tasks.csv"), &writer.into_inner().unwrap()[..]).unwrap();
        let read: Vec<_> = columns["sharpness"].iter().map(|value| bits(*value)).collect();
        assert_eq!(read, values.iter().map(|value| bits(*value)).collect::<Vec<_>>());
    });
}

fn control_row() -> impl Strategy<Value = ControlRow> {
    // What the probe leaves undefined is none; no number that it gives is not-a-number.
    let defined = || number().prop_filter("a number", |value| !value.is_nan());
    let numbers = prop::collection::vec(prop::option::of(defined()), VALUES.len());
    let action = prop::sample::select(vec!["cooled", "warmed", "held", "undefined", ""]);
    (any::<usize>(), any::<u64>(), "[a-z,\"\n ]{0,9}", defined(), numbers, action).prop_map(
        |(task, update, layer, learning_rate, numbers, action)| ControlRow {
            task,
            update,
            layer,
            learning_rate,
            values: VALUES.into_iter().map(Into::into).zip(numbers).collect(),
            action: action.to_owned(),
        },
    )
}

#[test]
fn every_row_of_controls_csv() {
    check(100, prop::collection::vec(control_row(), 1..10), |rows| {
        let folder = tempfile::tempdir().unwrap();
        let columns = Columns { tasks: Vec::new(), controls: control_columns(VALUES) };
        let mut recorder = Recorder::create(folder.path(), &columns).unwrap();
        recorder.add_controls(&rows).unwrap();
        recorder.finish().unwrap();
        let path = folder.path().join("controls.csv");
        let bytes = fs::read(&path).unwrap();
        let read = read_rows(&path, &bytes[..]).unwrap();
        let shown = |rows: &[ControlRow]| rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
        assert_eq!(shown(&read), shown(&rows), "Debug tells -0.0 from 0.0");
        let traces = read_traces(&path, &bytes[..], &["combined_bound"], &["nowhere"]).unwrap();
        assert_eq!(traces.iter().map(|trace| trace.updates.len()).sum::<usize>(), rows.len());
        for trace in traces {
            let rows = rows.iter().filter(|row| row.layer == trace.layer);
            for (place, row) in rows.enumerate() {
                let (task, update, rate) = (trace.tasks[place], trace.updates[place], trace.learning_rates[place]);
                assert_eq!((task, update, rate.to_bits()), (row.task, row.update, row.learning_rate.to_bits()));
                assert!(trace.column("nowhere").is_empty());
                assert_eq!(bits(Some(trace.column("combined_bound")[place])), bits(row.value("combined_bound")));
            }
        }
    });
}
