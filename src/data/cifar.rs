//! The binary format of CIFAR-10: records of a label and the 32 x 32 pixels of an image, red first, then green and blue,
//! each plane row by row. Source: the "binary version" at <https://www.cs.toronto.edu/~kriz/cifar.html>.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::image_set::{find, need_folder};
use super::numbering::Numbering;
use super::{DataError, ImageSet};

/// The files of the training images, in order.
pub const BATCH_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// The file of the test images.
pub const TEST_BATCH_FILE: &str = "test_batch.bin";

/// How many things and animals CIFAR-10 shows.
const CLASSES: u8 = 10;
const SIDE: usize = 32;
const CHANNELS: usize = 3;
const PIXELS: usize = CHANNELS * SIDE * SIDE;
const RECORD: usize = 1 + PIXELS;
/// The most records of a file, twenty times those of the published files: no file fills the memory.
const MOST_RECORDS: usize = 200_000;

impl ImageSet {
    /// Reads the five batches of a folder; how many records each has does not matter.
    ///
    /// # Errors
    /// A file is missing, unreadable, empty, too long or no whole number of records; a label is not below 10; all pixels are
    /// equal.
    pub(crate) fn read_cifar(name: &str, folder: &Path) -> Result<ImageSet, DataError> {
        need_folder(folder, format!("{} to {}", BATCH_FILES[0], BATCH_FILES[BATCH_FILES.len() - 1]))?;
        let paths = BATCH_FILES.iter().map(|file| find(folder, "batch", &[file.to_string()]));
        ImageSet::read_cifar_batches(name, paths.collect::<Result<Vec<_>, _>>()?)?.shows_something(folder)
    }

    /// Reads the test batch of the folder that a set was read from, if it has one.
    ///
    /// # Errors
    /// As `ImageSet::read_cifar`.
    pub(crate) fn read_cifar_test(of: &ImageSet, folder: &Path) -> Result<Option<ImageSet>, DataError> {
        let path = folder.join(TEST_BATCH_FILE);
        path.is_file().then(|| ImageSet::read_cifar_batches(&of.name, vec![path])).transpose()
    }

    fn read_cifar_batches(name: &str, paths: Vec<PathBuf>) -> Result<ImageSet, DataError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for path in paths {
            let unreadable = |problem| DataError::Unreadable { path: path.clone(), problem };
            let file = File::open(&path).map_err(unreadable)?;
            read_batch(&path, file, CLASSES, &mut images, &mut labels)?;
        }
        let shape = [labels.len(), CHANNELS, SIDE, SIDE];
        Ok(ImageSet::new(name, images, shape, labels, Numbering { first: 0, classes: CLASSES }))
    }

    /// Reads the bytes of one batch; `path` is for messages.
    ///
    /// # Errors
    /// As `ImageSet::read_cifar`. Memory grows with what has been read.
    pub fn read_cifar_batch(name: &str, path: &Path, reader: impl Read, classes: u8) -> Result<ImageSet, DataError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        read_batch(path, reader, classes, &mut images, &mut labels)?;
        let shape = [labels.len(), CHANNELS, SIDE, SIDE];
        Ok(ImageSet::new(name, images, shape, labels, Numbering { first: 0, classes }))
    }
}

/// Appends a batch's pixels and labels.
fn read_batch(
    path: &Path,
    reader: impl Read,
    classes: u8,
    images: &mut Vec<u8>,
    labels: &mut Vec<u8>,
) -> Result<(), DataError> {
    let most = MOST_RECORDS * RECORD;
    let mut bytes = Vec::new();
    let read = reader.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|problem| DataError::Unreadable { path: path.to_owned(), problem })?;
    if bytes.len() > most {
        return Err(DataError::CifarTooLong { path: path.to_owned(), most });
    }
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if records.is_empty() || !rest.is_empty() {
        return Err(DataError::CifarLength { path: path.to_owned(), found: bytes.len(), record: RECORD });
    }
    let of_records: Vec<u8> = records.iter().map(|[label, ..]| *label).collect();
    Numbering { first: 0, classes }.check(path, &of_records)?;
    labels.extend(of_records);
    images.reserve_exact(records.len() * PIXELS);
    records.iter().for_each(|[_, pixels @ ..]| images.extend(pixels));
    Ok(())
}
