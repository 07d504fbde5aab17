//! The sets that have a name: where each lies, how it is read, which command brings it.

use std::env;
use std::path::{Path, PathBuf};

use super::image_set::TEST_IMAGE_FILES;
use super::{DataError, ImageSet};

/// A named set. To add one, add its entry to [`sets`].
#[derive(Debug)]
pub struct SetEntry {
    /// The name that configurations use.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// How many classes its labels name.
    pub classes: u8,
    /// The checksum that its [`ImageSet`] must have; none where the content is the user's own.
    pub checksum: Option<&'static str>,
    /// The same of its test images; none where it has none, or they are the user's own.
    pub test_checksum: Option<&'static str>,
    /// The command that brings it into the cache; none where the user names the folder.
    pub command: Option<&'static str>,
    /// Makes the set out of a folder: the set's name, the folder, the number of classes.
    pub read: fn(&str, &Path, u8) -> Result<ImageSet, DataError>,
    /// The same for its test images, if the folder has any.
    pub read_test: fn(&str, &Path, u8) -> Result<Option<ImageSet>, DataError>,
}

/// Every named set.
pub const SETS: &[SetEntry] = &[
    SetEntry {
        name: "mnist-5k",
        about: "5,000 handwritten digits of MNIST, 500 a class, 28 x 28",
        classes: 10,
        checksum: Some("a0b84bcd607f7d99458c7cf2bd5b1f2eaa8e5b8d62daba0006c6cd2af3671428"),
        test_checksum: None,
        command: Some("make setup"),
        read: ImageSet::read_idx,
        read_test: |_, _, _| Ok(None),
    },
    SetEntry {
        name: "fashion-mnist",
        about: "60,000 articles of clothing and 10,000 more for testing, 28 x 28",
        classes: 10,
        checksum: Some("872f15cdf31675936580804ffc4f4c3934d551f3045c99cec9cf7dedc1b9acbb"),
        test_checksum: Some("e6fff34b10163cd6d66c6f45c35ec5f5d92f0292fc5056f33975a180357bbfb3"),
        command: Some("make data NAME=fashion-mnist"),
        read: ImageSet::read_idx,
        read_test: ImageSet::read_idx_test,
    },
    SetEntry {
        name: "idx",
        about: "any folder with MNIST-format files, plain or gzipped",
        classes: 10,
        checksum: None,
        test_checksum: None,
        command: None,
        read: ImageSet::read_idx,
        read_test: ImageSet::read_idx_test,
    },
    SetEntry {
        name: "cifar-10",
        about: "a folder with data_batch_1.bin to data_batch_5.bin, the binary version of CIFAR-10",
        classes: 10,
        checksum: None,
        test_checksum: None,
        command: None,
        read: ImageSet::read_cifar,
        read_test: ImageSet::read_cifar_test,
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
    let (entry, folder) = locate(name, folder)?;
    entry.read_whole(&folder)
}

/// The same with its test images, where it has any.
///
/// # Errors
/// As [`load`], of the test images too.
pub(crate) fn load_with_test(name: &str, folder: Option<&Path>) -> Result<ImageSet, DataError> {
    let (entry, folder) = locate(name, folder)?;
    let set = entry.read_whole(&folder)?;
    let Some(test) = (entry.read_test)(name, &folder, entry.classes)? else {
        let names = TEST_IMAGE_FILES.join(" or ");
        let lacking = DataError::MissingFile { folder, wanted: "test images", names };
        return if entry.test_checksum.is_some() { Err(lacking) } else { Ok(set) };
    };
    entry.check(&folder, "test images", &test, entry.test_checksum)?;
    set.with_test(test)
}

/// The entry of that name, and the folder in which its set lies.
fn locate(name: &str, folder: Option<&Path>) -> Result<(&'static SetEntry, PathBuf), DataError> {
    let Some(entry) = SETS.iter().find(|entry| entry.name == name) else {
        let known = SETS.iter().map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ");
        return Err(DataError::UnknownSet { name: name.to_owned(), known });
    };
    let own = || name.to_owned();
    let folder = match (folder, entry.command) {
        (Some(folder), _) => folder.to_owned(),
        (None, None) => return Err(DataError::FolderNeeded { name: own() }),
        (None, Some(command)) => {
            let folder = entry.folder().ok_or_else(|| DataError::NoCache { name: own() })?;
            if !folder.is_dir() {
                return Err(DataError::Missing { name: own(), folder, command: command.to_owned() });
            }
            folder
        }
    };
    Ok((entry, folder))
}

impl SetEntry {
    fn read_whole(&self, folder: &Path) -> Result<ImageSet, DataError> {
        let set = (self.read)(self.name, folder, self.classes)?;
        self.check(folder, "images", &set, self.checksum)?;
        Ok(set)
    }

    /// Compares a part of the set with its checksum, if that is known.
    fn check(
        &self,
        folder: &Path,
        part: &'static str,
        set: &ImageSet,
        expected: Option<&'static str>,
    ) -> Result<(), DataError> {
        match expected {
            Some(expected) if set.checksum != expected => Err(DataError::Checksum {
                name: self.name.to_owned(),
                part,
                folder: folder.to_owned(),
                found: set.checksum.clone(),
                expected,
                command: self.command.unwrap_or_default(),
            }),
            _ => Ok(()),
        }
    }
}
