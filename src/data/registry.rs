//! The sets that have a name: where each lies, how it is read, which command brings it.

use std::env;
use std::path::{Path, PathBuf};

use trainability_baselines::options::did_you_mean;

use super::cifar::TEST_BATCH_FILE;
use super::image_set::TEST_IMAGE_FILES;
use super::{DataError, ImageSet};

/// A named set. To add one, add its entry to [`SETS`].
#[derive(Debug)]
pub struct SetEntry {
    /// The name that configurations use.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// The checksum that its [`ImageSet`] must have; none where the content is the user's own.
    pub checksum: Option<&'static str>,
    /// The same of its test images; none where it has none, or they are the user's own.
    pub test_checksum: Option<&'static str>,
    /// The command that brings it into the cache; none where the user names the folder.
    pub command: Option<&'static str>,
    /// What that takes; empty where the user names the folder.
    pub size: &'static str,
    /// How it is read.
    pub(super) format: &'static FileFormat,
}

/// How a set is read out of a folder.
#[derive(Debug)]
pub(super) struct FileFormat {
    /// Makes the set: its name, the folder.
    read: fn(&str, &Path) -> Result<ImageSet, DataError>,
    /// Makes the set's test images, if the folder has any.
    read_test: fn(&ImageSet, &Path) -> Result<Option<ImageSet>, DataError>,
    /// The names that the file of the test images may have.
    test_files: &'static [&'static str],
}

const IDX: FileFormat =
    FileFormat { read: ImageSet::read_idx, read_test: ImageSet::read_idx_test, test_files: &TEST_IMAGE_FILES };
const CIFAR: FileFormat =
    FileFormat { read: ImageSet::read_cifar, read_test: ImageSet::read_cifar_test, test_files: &[TEST_BATCH_FILE] };
/// The same without test images.
const IDX_ALONE: FileFormat = FileFormat { read: ImageSet::read_idx, read_test: |_, _| Ok(None), test_files: &[] };

/// Every named set.
pub const SETS: &[SetEntry] = &[
    SetEntry {
        name: "mnist-5k",
        about: "5,000 handwritten digits of MNIST, 500 a class, 28 x 28",
        checksum: Some("a0b84bcd607f7d99458c7cf2bd5b1f2eaa8e5b8d62daba0006c6cd2af3671428"),
        test_checksum: None,
        command: Some("make setup"),
        size: "1 MB to fetch, 4 MB on the disk",
        format: &IDX_ALONE,
    },
    SetEntry {
        name: "mnist",
        about: "60,000 handwritten digits and 10,000 more for testing, 28 x 28",
        checksum: Some("350642d0ee3d76a5422a5c548d6d51114226d25154a2aaf6abb988de82a86bf6"),
        test_checksum: Some("58fa498e26ed6fcffe100cecf5e7562c356f199c9965153a6f1d9f271e0f2a8f"),
        command: Some("make data NAME=mnist"),
        size: "11 MB to fetch, 55 MB on the disk",
        format: &IDX,
    },
    SetEntry {
        name: "fashion-mnist",
        about: "60,000 articles of clothing and 10,000 more for testing, 28 x 28",
        checksum: Some("872f15cdf31675936580804ffc4f4c3934d551f3045c99cec9cf7dedc1b9acbb"),
        test_checksum: Some("e6fff34b10163cd6d66c6f45c35ec5f5d92f0292fc5056f33975a180357bbfb3"),
        command: Some("make data NAME=fashion-mnist"),
        size: "31 MB to fetch, 55 MB on the disk",
        format: &IDX,
    },
    SetEntry {
        name: "cifar-10",
        about: "50,000 photographs of things and animals and 10,000 more for testing, 32 x 32 in 3 colours",
        checksum: Some("c216c40f1e8d15cd4fb1ace4d44630176e0e5c7c76da7b403756dd7957d2f728"),
        test_checksum: Some("29575399b6d8dbc009a84490fcfde956b15c62d182d55db30128d9a7d6b90d68"),
        command: Some("make data NAME=cifar-10"),
        size: "139 MB to fetch, 184 MB on the disk",
        format: &CIFAR,
    },
    SetEntry {
        name: "idx",
        about: "any folder with MNIST-format files of any number of classes, plain or gzipped",
        checksum: None,
        test_checksum: None,
        command: None,
        size: "",
        format: &IDX,
    },
    SetEntry {
        name: "cifar-binary",
        about: "any folder with data_batch_1.bin to data_batch_5.bin in the binary format of CIFAR-10",
        checksum: None,
        test_checksum: None,
        command: None,
        size: "",
        format: &CIFAR,
    },
];

impl SetEntry {
    /// Where the set lies by itself: in the cache; none for a set whose folder the user names.
    pub fn folder(&self) -> Option<PathBuf> {
        self.command.and_then(|_| cache_folder()).map(|cache| cache.join("data").join(self.name))
    }
}

/// The folder that `make setup` fills: `$TRAINABILITY_CACHE`, else `$XDG_CACHE_HOME/trainability`, else
/// `~/.cache/trainability`; none where not even `HOME` is set. (`scripts/setup.py` follows the same rule.)
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("TRAINABILITY_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("trainability")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache").join("trainability")))
}

/// Loads a named set without its test images, out of `folder` where one is given and out of the cache otherwise.
///
/// # Errors
/// The name is unknown, the set is not there or not whole, or its content is not what its name promises.
pub fn load(name: &str, folder: Option<&Path>) -> Result<ImageSet, DataError> {
    let place = Place::of(name, folder)?;
    place.read().map_err(|error| place.explained(error))
}

/// The same with its test images, where it has any.
///
/// # Errors
/// As [`load`], of the test images too.
pub(crate) fn load_with_test(name: &str, folder: Option<&Path>) -> Result<ImageSet, DataError> {
    let place = Place::of(name, folder)?;
    place.read_with_test().map_err(|error| place.explained(error))
}

/// A set and where it lies.
struct Place {
    entry: &'static SetEntry,
    folder: PathBuf,
    /// Whether the user has named the folder.
    own: bool,
}

impl Place {
    fn of(name: &str, folder: Option<&Path>) -> Result<Place, DataError> {
        let Some(entry) = SETS.iter().find(|entry| entry.name == name) else {
            let known = SETS.iter().map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ");
            let guess = did_you_mean(name, SETS.iter().map(|entry| entry.name));
            return Err(DataError::UnknownSet { name: name.to_owned(), known, guess });
        };
        let name = || name.to_owned();
        if let Some(folder) = folder {
            return Ok(Place { entry, folder: folder.to_owned(), own: true });
        }
        let Some(command) = entry.command else { return Err(DataError::FolderNeeded { name: name() }) };
        let folder = entry.folder().ok_or_else(|| DataError::NoCache { name: name() })?;
        if !folder.is_dir() {
            return Err(DataError::Missing { name: name(), folder, command });
        }
        Ok(Place { entry, folder, own: false })
    }

    fn read(&self) -> Result<ImageSet, DataError> {
        let set = (self.entry.format.read)(self.entry.name, &self.folder)?;
        self.check("images", &set, self.entry.checksum)?;
        Ok(set)
    }

    fn read_with_test(&self) -> Result<ImageSet, DataError> {
        let (entry, set) = (self.entry, self.read()?);
        let Some(test) = (entry.format.read_test)(&set, &self.folder)? else {
            let (folder, names) = (self.folder.clone(), entry.format.test_files.join(" or "));
            let lacking = DataError::MissingFile { folder, wanted: "test images", names, advice: String::new() };
            return if entry.test_checksum.is_some() { Err(lacking) } else { Ok(set) };
        };
        self.check("test images", &test, entry.test_checksum)?;
        set.with_test(test)
    }

    /// Compares a part of the set with its checksum, if that is known.
    fn check(&self, part: &'static str, set: &ImageSet, expected: Option<&'static str>) -> Result<(), DataError> {
        match expected {
            Some(expected) if set.checksum != expected => Err(DataError::Checksum {
                name: self.entry.name.to_owned(),
                part,
                folder: self.folder.clone(),
                found: set.checksum.clone().into(),
                expected,
                advice: match self.own {
                    true => "for images of your own the set is called `idx` or `cifar-binary`".into(),
                    false => format!("run `{}`", self.entry.command.unwrap_or_default()).into(),
                },
            }),
            _ => Ok(()),
        }
    }

    /// What is wrong with a set in the cache, with the command that brings it anew.
    fn explained(&self, problem: DataError) -> DataError {
        match (problem, self.entry.command) {
            (problem @ DataError::Checksum { .. }, _) => problem,
            (problem, Some(command)) if !self.own => DataError::Damaged { problem: Box::new(problem), command },
            (problem, _) => problem,
        }
    }
}
