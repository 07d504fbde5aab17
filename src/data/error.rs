//! What can be wrong with an image set, each in one sentence.

use std::io;
use std::path::PathBuf;

/// Why an image set cannot be had.
///
/// The messages stand alone: no error here has a source that would repeat a part of it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No set has this name.
    #[error("there is no image set `{name}`, only {known}{guess}")]
    UnknownSet {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
        /// Which may have been meant, if any is near.
        guess: String,
    },
    /// The set may lie anywhere, and no folder was named.
    #[error("the image set `{name}` needs a folder, in `data.folder` of an experiment or after --folder")]
    FolderNeeded {
        /// The set.
        name: String,
    },
    /// The environment does not say where the cache is.
    #[error("the image set `{name}` lies in the cache, and none of TRAINABILITY_CACHE, XDG_CACHE_HOME and HOME is set")]
    NoCache {
        /// The set.
        name: String,
    },
    /// The set has not been fetched.
    #[error("the image set `{name}` is not in {folder}: run `{command}`, which brings it")]
    Missing {
        /// The set.
        name: String,
        /// Where it should be.
        folder: PathBuf,
        /// The command that brings it.
        command: &'static str,
    },
    /// A set that was fetched is no longer whole.
    #[error("{problem}; `{command}` brings it anew")]
    Damaged {
        /// What is wrong with it.
        problem: Box<DataError>,
        /// The command that brings it.
        command: &'static str,
    },
    /// There is no such folder.
    #[error("there is no folder {folder}, which should hold the files {names}{advice}")]
    MissingFolder {
        /// The folder that was searched.
        folder: PathBuf,
        /// The names that the files may have.
        names: String,
        /// What may have been meant, for the end of the sentence.
        advice: String,
    },
    /// A folder lacks a file.
    #[error("{folder} has no {wanted}: the file should be called {names}{advice}")]
    MissingFile {
        /// The folder that was searched.
        folder: PathBuf,
        /// What the file holds.
        wanted: &'static str,
        /// The names that it may have.
        names: String,
        /// Where it is instead, for the end of the sentence.
        advice: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {problem}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {problem}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        problem: io::Error,
    },
    /// A file is not the IDX file that it should be.
    #[error("{path} {problem}")]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IdxError,
    },
    /// A file does not consist of CIFAR-10 records.
    #[error(
        "{path} has {found} bytes: a CIFAR-10 batch should have a multiple of {record}, a label and 3 x 32 x 32 pixels \
         for each image"
    )]
    CifarLength {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        found: usize,
        /// The bytes of a record.
        record: usize,
    },
    /// A file of CIFAR-10 records is longer than any that is read.
    #[error("{path} goes on after {most} bytes: a CIFAR-10 batch should have at most that many")]
    CifarTooLong {
        /// The file.
        path: PathBuf,
        /// How many bytes are read.
        most: usize,
    },
    /// The two files of a set do not belong together.
    #[error(
        "{images_path} has {images} images and {labels_path} has {labels} labels: there should be one for each image"
    )]
    CountMismatch {
        /// The file of the images.
        images_path: PathBuf,
        /// How many images it has.
        images: usize,
        /// The file of the labels.
        labels_path: PathBuf,
        /// How many labels it has.
        labels: usize,
    },
    /// A label names no class.
    #[error("{path} has the label {label} at place {index}: labels should go from {first} to {last}{advice}")]
    LabelOutOfRange {
        /// The file of the labels.
        path: PathBuf,
        /// Which label, from 0.
        index: usize,
        /// The label.
        label: u8,
        /// That of the first class.
        first: u8,
        /// That of the last class.
        last: u8,
        /// What the labels are instead, for the end of the sentence.
        advice: String,
    },
    /// Labels that number classes neither from 0 nor from 1.
    #[error("{path} has labels from {least} to {most}: they should begin at 0 or 1")]
    FirstLabel {
        /// The file of the labels.
        path: PathBuf,
        /// The least of them.
        least: u8,
        /// The highest.
        most: u8,
    },
    /// There is nothing to tell apart.
    #[error("{path} has no label but {label}: there should be at least two classes")]
    OneClass {
        /// The file of the labels.
        path: PathBuf,
        /// The label of every image.
        label: u8,
    },
    /// The images show nothing.
    #[error("all pixels of the images in {folder} are {value}: they should differ somewhere")]
    OneValue {
        /// The folder of the files.
        folder: PathBuf,
        /// The value of every pixel.
        value: u8,
    },
    /// The test images are none of the set.
    #[error(
        "the test images of `{name}` have the shape {}, and its training images {}: they should be alike",
        sizes(.found), sizes(.expected)
    )]
    TestShape {
        /// The set.
        name: String,
        /// Channels, rows and columns of its test images.
        found: [usize; 3],
        /// The same of its training images.
        expected: [usize; 3],
    },
    /// The set is not the one that its name promises.
    #[error("the {part} in {folder} have the SHA-256 {found}, and those of `{name}` have {expected}: {advice}")]
    Checksum {
        /// The set.
        name: String,
        /// `images` or `test images`.
        part: &'static str,
        /// Where it lies.
        folder: PathBuf,
        /// The checksum of what lies there.
        found: Box<str>,
        /// The checksum of the set.
        expected: &'static str,
        /// What to do.
        advice: Box<str>,
    },
}

/// What is wrong with an IDX file; the messages go on from the file's name.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The first two bytes are not zero.
    #[error("is not an IDX file, plain or gzipped: it starts with the bytes {}, and should start with 00 00 08 {expected:02x}", hex(.found))]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
        /// The number of dimensions that it should have.
        expected: u8,
    },
    /// The elements are not unsigned bytes.
    #[error("has elements of the IDX type {found:02x}: it should be 08, unsigned bytes")]
    ElementType {
        /// The type's code.
        found: u8,
    },
    /// The values have another number of dimensions.
    #[error("has {found} dimensions where {expected} are expected")]
    Dimensions {
        /// How many it has.
        found: u8,
        /// How many it should have.
        expected: u8,
    },
    /// There is nothing in it.
    #[error("has the shape {}: no size should be 0", shape(.dimensions))]
    Empty {
        /// The sizes.
        dimensions: Vec<u32>,
    },
    /// The header announces more than is ever read.
    #[error("has the shape {}: it should have at most {most} values", shape(.dimensions))]
    TooLarge {
        /// The sizes.
        dimensions: Vec<u32>,
        /// How many values are read at most.
        most: u64,
    },
    /// It ends inside of the header.
    #[error("ends after {found} bytes, inside of the header of {expected} bytes")]
    TruncatedHeader {
        /// How many bytes there are.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// It ends before all values have come.
    #[error("is truncated: it has {found} values where its shape {} needs {expected}", shape(.dimensions))]
    Truncated {
        /// The sizes.
        dimensions: Vec<u32>,
        /// How many values there are.
        found: u64,
        /// How many there should be.
        expected: u64,
    },
    /// It goes on after the values.
    #[error("goes on after the {expected} values of its shape {}, where it should end", shape(.dimensions))]
    TrailingBytes {
        /// The sizes.
        dimensions: Vec<u32>,
        /// How many values there should be.
        expected: u64,
    },
    /// It cannot be read or unpacked to its end.
    #[error("cannot be read to its end: {problem}")]
    Unreadable {
        /// What the system or the unpacker says.
        problem: io::Error,
    },
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn shape(dimensions: &[u32]) -> String {
    sizes(dimensions)
}

fn sizes(sizes: &[impl ToString]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}
