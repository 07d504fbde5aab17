//! A run's rows once more, as an event file of TensorBoard: `tensorboard/METHOD/SCHEDULE/seed-N` in the sweep's folder.
//!
//! An event is a record of the TFRecord format (length, checksum, message, checksum) around a protocol buffer
//! (`tensorflow.Event`), of which these are the few fields that scalars need. Each column is a scalar: `tasks/NAME`, and
//! `LAYER/NAME`, over the number of updates made. Values have single precision there.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use prost::Message;
use trainability_record::CSV_FILES;
use trainability_record::partial::whole_rows;

/// What TensorBoard finds event files by.
const PREFIX: &str = "events.out.tfevents";

#[derive(Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

#[derive(Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    /// Optional, since a zero would otherwise be left out.
    #[prost(float, optional, tag = "2")]
    value: Option<f32>,
}

#[derive(Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(string, optional, tag = "3")]
    message: Option<String>,
}

/// The status of a session that starts: what an earlier one said of this step and later ones is void.
const START: i32 = 1;
/// That of one that is over.
const STOP: i32 = 2;

/// The event file of one run. It is given what its CSV files are given, from the first byte on.
pub(super) struct EventFile {
    place: PathBuf,
    file: File,
    /// The columns of both CSV files, once their headers have come.
    columns: [csv::StringRecord; 2],
}

impl EventFile {
    /// Begins a run's event file with the rows that the run has so far. An earlier attempt's file goes: this one has its rows,
    /// and says to a TensorBoard that is looking on that it begins again.
    ///
    /// # Errors
    /// What the file system says, with the path, or a file of rows is no CSV.
    pub(super) fn begin(place: &Path, run: &Path) -> io::Result<EventFile> {
        let begin = || {
            fs::create_dir_all(place)?;
            let earlier = event_files(place)?;
            let attempt = earlier.last().map_or(0, |(attempt, _)| attempt.wrapping_add(1));
            // In the order of their names TensorBoard reads a run's files.
            let file = File::create_new(place.join(format!("{PREFIX}.{attempt:010}")))?;
            let mut events = EventFile { place: place.to_owned(), file, columns: Default::default() };
            let version = Event { file_version: Some("brain.Event:2".to_owned()), ..Event::now(0) };
            let start = Event { session_log: Some(SessionLog { status: START, message: None }), ..Event::now(0) };
            events.file.write_all(&[record(&version), record(&start)].concat())?;
            for (_, path) in earlier {
                fs::remove_file(path)?;
            }
            Ok(events)
        };
        let mut events = begin().map_err(|error| named(place, &error))?;
        let [tasks, controls] = CSV_FILES.map(|name| whole_rows(run, name));
        events.add([&tasks?, &controls?])?;
        Ok(events)
    }

    /// Whether a run's event file holds all that its CSV files do: it ends with their lengths.
    pub(super) fn is_whole(place: &Path, run: &Path) -> bool {
        let ends_well = |path: &Path| -> io::Result<bool> {
            let mut expected = end_of(run);
            let mut last = record(&expected);
            let mut file = File::open(path)?;
            file.seek(SeekFrom::End(-(last.len() as i64)))?;
            file.read_exact(&mut last)?;
            expected.wall_time = Event::decode(&last[12..last.len() - 4])?.wall_time;
            Ok(record(&expected) == last)
        };
        let files = event_files(place).unwrap_or_default();
        matches!(&files[..], [(_, only)] if ends_well(only).unwrap_or(false))
    }

    /// Says that no rows follow.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub(super) fn finish(mut self, run: &Path) -> io::Result<()> {
        self.file.write_all(&record(&end_of(run))).map_err(|error| named(&self.place, &error))
    }

    /// Adds what was added to `tasks.csv` and to `controls.csv`: whole rows, a header at the beginning.
    ///
    /// # Errors
    /// What the file system says, or the rows are not of these files; with the path.
    pub(super) fn add(&mut self, rows: [&[u8]; 2]) -> io::Result<()> {
        self.write(rows).map_err(|error| named(&self.place, &error))
    }

    fn write(&mut self, [tasks, controls]: [&[u8]; 2]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut last: Option<Event> = None;
        for row in rows(&mut self.columns[1], controls)? {
            let event = of_controls(&self.columns[1], &row)?;
            // The layers of an update are one event.
            match (&mut last, event) {
                (Some(Event { step, summary: Some(all), .. }), Event { step: same, summary: Some(more), .. })
                    if *step == same =>
                {
                    all.values.extend(more.values);
                }
                (last, event) => bytes.extend(last.replace(event).iter().flat_map(record)),
            }
        }
        bytes.extend(last.iter().flat_map(record));
        for row in rows(&mut self.columns[0], tasks)? {
            bytes.extend(record(&of_task(&self.columns[0], &row)?));
        }
        self.file.write_all(&bytes)
    }
}

impl Event {
    fn now(step: i64) -> Event {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Event { wall_time: since.as_secs_f64(), step, ..Event::default() }
    }

    fn of(step: &str, values: Vec<Scalar>) -> io::Result<Event> {
        let step = step.parse().map_err(|_| wrong(format!("{step:?} is no number of updates")))?;
        Ok(Event { summary: Some(Summary { values }), ..Event::now(step) })
    }
}

/// The event after a run's last row.
fn end_of(run: &Path) -> Event {
    let length = |name: &str| {
        let found = [format!("{name}.partial"), name.to_owned()].map(|name| fs::metadata(run.join(name)));
        format!("{name}: {} bytes", found.into_iter().find_map(Result::ok).map_or(0, |found| found.len()))
    };
    let message = Some(CSV_FILES.map(length).join(", "));
    Event { session_log: Some(SessionLog { status: STOP, message }), ..Event::now(0) }
}

fn named(place: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", place.display()))
}

/// A message with its length and both checksums.
fn record(event: &Event) -> Vec<u8> {
    let masked = |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let message = event.encode_to_vec();
    let length = (message.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &message, &masked(&message)].concat()
}

/// The event files of a run with their numbers, in order.
fn event_files(place: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_prefix('.')?.parse().ok());
        files.extend(number.map(|number| (number, entry.path())));
    }
    files.sort();
    Ok(files)
}

/// The rows of CSV bytes; their first line is the header where there has been none.
fn rows(header: &mut csv::StringRecord, bytes: &[u8]) -> io::Result<Vec<csv::StringRecord>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes);
    let mut rows = reader.records();
    if header.is_empty()
        && let Some(first) = rows.next()
    {
        *header = first?;
    }
    Ok(rows.collect::<Result<_, _>>()?)
}

fn of_task(columns: &csv::StringRecord, row: &csv::StringRecord) -> io::Result<Event> {
    let updates = field(columns, row, "updates")?;
    Event::of(updates, scalars("tasks", columns, row, &["task", "updates"]))
}

fn of_controls(columns: &csv::StringRecord, row: &csv::StringRecord) -> io::Result<Event> {
    let layer = field(columns, row, "layer")?;
    Event::of(field(columns, row, "update")?, scalars(layer, columns, row, &["task", "update", "layer", "action"]))
}

fn field<'a>(columns: &csv::StringRecord, row: &'a csv::StringRecord, name: &str) -> io::Result<&'a str> {
    let place = columns.iter().position(|column| column == name);
    place.and_then(|place| row.get(place)).ok_or_else(|| wrong(format!("a row has no {name}")))
}

/// The fields of a row that hold a number, but for some.
fn scalars(group: &str, columns: &csv::StringRecord, row: &csv::StringRecord, others: &[&str]) -> Vec<Scalar> {
    let named = columns.iter().zip(row).filter(|(name, _)| !others.contains(name));
    let numbers = named.filter_map(|(name, field)| Some((name, field.parse::<f64>().ok()?)));
    numbers.map(|(name, value)| Scalar { tag: format!("{group}/{name}"), value: Some(value as f32) }).collect()
}

fn wrong(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASKS: &str = "task,updates,online_accuracy,sharpness,task_age\n0,4,0.5,,1\n1,8,0.0,inf,2\n";
    const CONTROLS: &str = "task,update,layer,learning_rate,noise_bound,action\n\
        0,3,fc1,0.01,2.0,held\n0,3,fc2,0.02,,cooled\n1,7,fc1,0.03,1e-300,\n";

    /// Step, tag and value of every scalar in a run's only file, which has to begin as a file of TensorBoard does.
    fn read(place: &Path) -> Vec<(i64, String, f32)> {
        let files = event_files(place).unwrap();
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = fs::read(&files[0].1).unwrap();
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = Event::decode(&rest[12..12 + length]).unwrap();
            assert!(event.wall_time > 1.7e9, "seconds since 1970: {}", event.wall_time);
            rest = &rest[12 + length + 4..];
            events.push(event);
        }
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((events[1].step, events[1].session_log.as_ref().unwrap().status), (0, START));
        if events.last().unwrap().session_log.is_some() {
            assert_eq!(events.pop().unwrap().session_log.unwrap().status, STOP);
        }
        let summaries = events[2..].iter().map(|event| (event.step, event.summary.as_ref().unwrap()));
        summaries
            .flat_map(|(step, summary)| summary.values.iter().map(move |scalar| (step, scalar)))
            .map(|(step, scalar)| (step, scalar.tag.clone(), scalar.value.unwrap()))
            .collect()
    }

    fn expected() -> Vec<(i64, String, f32)> {
        [
            (3, "fc1/learning_rate", 0.01),
            (3, "fc1/noise_bound", 2.0),
            (3, "fc2/learning_rate", 0.02),
            (7, "fc1/learning_rate", 0.03),
            (7, "fc1/noise_bound", 0.0),
            (4, "tasks/online_accuracy", 0.5),
            (4, "tasks/task_age", 1.0),
            (8, "tasks/online_accuracy", 0.0),
            (8, "tasks/sharpness", f32::INFINITY),
            (8, "tasks/task_age", 2.0),
        ]
        .map(|(step, tag, value)| (step, tag.to_owned(), value))
        .to_vec()
    }

    #[test]
    fn every_number_is_a_scalar_and_what_is_undefined_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("events");
        fs::write(folder.path().join("tasks.csv"), TASKS).unwrap();
        fs::write(folder.path().join("controls.csv"), CONTROLS).unwrap();
        assert!(!EventFile::is_whole(&place, folder.path()));
        EventFile::begin(&place, folder.path()).unwrap().finish(folder.path()).unwrap();
        assert!(EventFile::is_whole(&place, folder.path()));
        assert_eq!(read(&place), expected());
    }

    #[test]
    fn a_file_of_fewer_rows_than_the_run_has_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("events");
        let begin = || EventFile::begin(&place, folder.path()).unwrap();
        fs::write(folder.path().join("tasks.csv"), TASKS).unwrap();
        fs::write(folder.path().join("controls.csv"), CONTROLS).unwrap();
        drop(begin());
        assert!(!EventFile::is_whole(&place, folder.path()), "it was killed before it was done");
        begin().finish(folder.path()).unwrap();
        let path = event_files(&place).unwrap().remove(0).1;
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(!EventFile::is_whole(&place, folder.path()), "{length}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(EventFile::is_whole(&place, folder.path()));
        fs::write(folder.path().join("controls.csv"), format!("{CONTROLS}2,12,fc1,0.03,1.0,\n")).unwrap();
        assert!(!EventFile::is_whole(&place, folder.path()), "the run went on without it");
    }

    #[test]
    fn rows_may_come_a_few_at_a_time_and_after_an_attempt_that_was_stopped() {
        let sorted = |mut scalars: Vec<(i64, String, f32)>| {
            scalars.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
            scalars
        };
        let ends = |text: &str| text.match_indices('\n').map(|(place, _)| place + 1).collect::<Vec<_>>();
        for before in [0].into_iter().chain(ends(CONTROLS)) {
            for task in [0].into_iter().chain(ends(TASKS)) {
                let folder = tempfile::tempdir().unwrap();
                let place = folder.path().join("events");
                let mut events = EventFile::begin(&place, folder.path()).unwrap();
                events.add([&TASKS.as_bytes()[..task], &CONTROLS.as_bytes()[..before]]).unwrap();
                // What the attempt wrote after its checkpoint, of which nothing may be left.
                events.add([&TASKS.as_bytes()[task..], &CONTROLS.as_bytes()[before..]]).unwrap();
                drop(events);
                fs::write(folder.path().join("tasks.csv.partial"), &TASKS[..task]).unwrap();
                fs::write(folder.path().join("controls.csv.partial"), &CONTROLS[..before]).unwrap();
                let mut events = EventFile::begin(&place, folder.path()).unwrap();
                assert_eq!(event_files(&place).unwrap()[0].0, 1, "a file that TensorBoard reads after the first");
                events.add([&TASKS.as_bytes()[task..], &CONTROLS.as_bytes()[before..]]).unwrap();
                assert_eq!(sorted(read(&place)), sorted(expected()), "{before} {task}");
            }
        }
    }

    /// The check value of CRC-32C in RFC 3720 B.4 (32 bytes of zeros: 0x8a9136aa), masked as TFRecord asks for.
    #[test]
    fn a_record_has_its_length_and_checksums() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
        let event = Event { wall_time: 1.0, step: 2, ..Event::default() };
        let bytes = record(&event);
        assert_eq!(bytes[..8], 11u64.to_le_bytes());
        assert_eq!(bytes[12..23], [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 2]);
        let masked = |bytes: &[u8]| {
            let sum = u64::from(crc32c::crc32c(bytes));
            ((((sum >> 15) | (sum << 17)) & 0xffff_ffff) + 0xa282_ead8) % (1 << 32)
        };
        assert_eq!(u64::from(u32::from_le_bytes(bytes[8..12].try_into().unwrap())), masked(&bytes[..8]));
        assert_eq!(u64::from(u32::from_le_bytes(bytes[23..].try_into().unwrap())), masked(&bytes[12..23]));
    }

    #[test]
    fn rows_of_another_file_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(folder.path(), folder.path()).unwrap();
        let error = events.add([b"task,accuracy\n0,0.5\n", b""]).unwrap_err().to_string();
        assert!(error.ends_with(": a row has no updates"), "{error}");
    }
}
