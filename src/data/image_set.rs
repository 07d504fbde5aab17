//! A set of labelled images in memory, and the folder of two IDX files that one is read from.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::numbering::Numbering;
use super::{DataError, Idx};

/// The names that the file of the images may have, plain; each may end in `.gz` too.
pub const IMAGE_FILES: [&str; 2] = ["train-images-idx3-ubyte", "train-images.idx3-ubyte"];
/// The names that the file of the labels may have, plain; each may end in `.gz` too.
pub const LABEL_FILES: [&str; 2] = ["train-labels-idx1-ubyte", "train-labels.idx1-ubyte"];

/// The same for a set's test images.
pub(crate) const TEST_IMAGE_FILES: [&str; 2] = ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"];
/// The same for their labels.
pub(crate) const TEST_LABEL_FILES: [&str; 2] = ["t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"];

/// How the numbers of an image lie: plane by plane, and each row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// The colours of a pixel: 1 for grey.
    pub channels: usize,
    /// The height in pixels.
    pub rows: usize,
    /// The width in pixels.
    pub columns: usize,
}

impl ImageShape {
    /// Numbers of an image.
    pub fn features(self) -> usize {
        self.channels * self.rows * self.columns
    }
}

/// Labelled images, all of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    /// The set's name in the registry.
    pub name: String,
    /// The pixels, count x channels x rows x columns, 0 to 255.
    pub images: Vec<u8>,
    /// How many images there are, at least 1.
    pub count: usize,
    /// The height of an image in pixels.
    pub rows: usize,
    /// The width of an image in pixels.
    pub columns: usize,
    /// The colours of a pixel: 1 for grey.
    pub channels: usize,
    /// The class of each image, below `classes`.
    pub labels: Vec<u8>,
    /// How many classes there are.
    pub classes: u8,
    /// What the set's files call class 0: 0, or 1 where they count from 1.
    pub first_label: u8,
    /// SHA-256 over shape, classes, pixels and labels, in hexadecimal digits; the same for the same content wherever it
    /// came from. Test images have their own.
    pub checksum: String,
    /// The set's test images, of the same shape, if it has any and they were read.
    pub test: Option<Box<ImageSet>>,
}

impl ImageSet {
    /// Reads the two MNIST-format files of a folder. Their labels say how many classes there are: as many as the highest of
    /// them counts, from 0 on or from 1 on, whichever is the lowest of them.
    ///
    /// # Errors
    /// A file is missing, unreadable or not what it should be; their counts differ; labels begin above 1 or are all the same;
    /// all pixels are equal.
    pub(crate) fn read_idx(name: &str, folder: &Path) -> Result<ImageSet, DataError> {
        need_folder(folder, format!("{} and {}", IMAGE_FILES[0], LABEL_FILES[0]))?;
        ImageSet::read_idx_files(name, folder, None, [("images", IMAGE_FILES), ("labels", LABEL_FILES)])?
            .shows_something(folder)
    }

    /// Reads the test images of the folder that a set was read from, whose labels are numbered as the set's; none where it has
    /// neither of their two files.
    ///
    /// # Errors
    /// As `ImageSet::read_idx`; one of the two files is there alone; a label names no class of the set.
    pub(crate) fn read_idx_test(of: &ImageSet, folder: &Path) -> Result<Option<ImageSet>, DataError> {
        let wanted = [("test images", TEST_IMAGE_FILES), ("test labels", TEST_LABEL_FILES)];
        let there =
            |(wanted, names): (&'static str, [&str; 2])| find(folder, wanted, &plain_or_gzipped(&names)).is_ok();
        if !wanted.into_iter().any(there) {
            return Ok(None);
        }
        ImageSet::read_idx_files(&of.name, folder, Some(of.numbering()), wanted).map(Some)
    }

    /// Reads a file of images and one of labels, each with what it holds and the names that it may have. Where nobody says how
    /// classes are numbered, the labels do.
    fn read_idx_files(
        name: &str,
        folder: &Path,
        numbering: Option<Numbering>,
        files: [(&'static str, [&str; 2]); 2],
    ) -> Result<ImageSet, DataError> {
        let path = |(wanted, names): (&'static str, [&str; 2])| find(folder, wanted, &plain_or_gzipped(&names));
        let (images_path, labels_path) = (path(files[0])?, path(files[1])?);
        let images = Idx::load(&images_path, 3)?;
        let labels = Idx::load(&labels_path, 1)?.values;
        let [count, rows, columns] = [0, 1, 2].map(|axis| images.dimensions[axis] as usize);
        if labels.len() != count {
            let labels = labels.len();
            return Err(DataError::CountMismatch { images_path, images: count, labels_path, labels });
        }
        let numbering = numbering.map_or_else(|| Numbering::of(&labels_path, &labels), Ok)?;
        let labels = numbering.classes_of(&labels_path, labels)?;
        Ok(ImageSet::new(name, images.values, [count, 1, rows, columns], labels, numbering))
    }

    /// A set with its checksum; the shape is count, channels, rows, columns, and labels are counted from 0.
    pub(super) fn new(
        name: &str,
        images: Vec<u8>,
        [count, channels, rows, columns]: [usize; 4],
        labels: Vec<u8>,
        Numbering { first: first_label, classes }: Numbering,
    ) -> ImageSet {
        let (name, checksum, test) = (name.to_owned(), String::new(), None);
        let set =
            ImageSet { name, images, count, rows, columns, channels, labels, classes, first_label, checksum, test };
        ImageSet { checksum: set.content_checksum(), ..set }
    }

    fn numbering(&self) -> Numbering {
        Numbering { first: self.first_label, classes: self.classes }
    }

    /// The set, unless all its images are one and the same value: nothing could be learnt of them, and standardised they are no
    /// numbers.
    pub(super) fn shows_something(self, folder: &Path) -> Result<ImageSet, DataError> {
        let first = self.images[0];
        if self.images.iter().any(|pixel| *pixel != first) {
            return Ok(self);
        }
        Err(DataError::OneValue { folder: folder.to_owned(), value: first })
    }

    /// The shape of an image.
    pub fn shape(&self) -> ImageShape {
        ImageShape { channels: self.channels, rows: self.rows, columns: self.columns }
    }

    /// Writes the two files that `ImageSet::read_idx` reads; meant for fixtures. The folder must be there.
    ///
    /// # Errors
    /// [`DataError::Unwritable`].
    ///
    /// # Panics
    /// Where there is more than one channel, which the format has no place for.
    pub fn write_idx(&self, folder: &Path) -> Result<(), DataError> {
        assert_eq!(self.channels, 1, "an MNIST-format file has one channel");
        let sizes = |sizes: &[usize]| sizes.iter().map(|&size| size as u32).collect();
        let images = Idx { dimensions: sizes(&[self.count, self.rows, self.columns]), values: self.images.clone() };
        let numbers = self.labels.iter().map(|class| class + self.first_label).collect();
        let labels = Idx { dimensions: sizes(&[self.count]), values: numbers };
        for (name, content) in [(IMAGE_FILES[0], images), (LABEL_FILES[0], labels)] {
            let path = folder.join(name);
            fs::write(&path, content.encode()).map_err(|problem| DataError::Unwritable { path, problem })?;
        }
        Ok(())
    }

    /// The set with these as its test images.
    ///
    /// # Errors
    /// They are of another shape.
    pub(crate) fn with_test(self, test: ImageSet) -> Result<ImageSet, DataError> {
        let [found, expected] = [&test, &self].map(|set| [set.channels, set.rows, set.columns]);
        if found != expected {
            return Err(DataError::TestShape { name: self.name, found, expected });
        }
        Ok(ImageSet { test: Some(Box::new(test)), ..self })
    }

    fn content_checksum(&self) -> String {
        let mut digest = Sha256::new();
        for size in [self.count, self.rows, self.columns, self.channels, self.classes.into()] {
            digest.update((size as u64).to_be_bytes());
        }
        digest.update(&self.images);
        digest.update(&self.labels);
        hex::encode(digest.finalize())
    }
}

/// Refuses a folder that is not there; `names` are the files that it should hold.
pub(super) fn need_folder(folder: &Path, names: String) -> Result<(), DataError> {
    if folder.is_dir() {
        return Ok(());
    }
    let advice = if folder.is_file() {
        "; this is a file, expected the folder in which it lies"
    } else if folder.starts_with("~") {
        "; ~ stands for the home folder in a shell alone, expected its whole path"
    } else {
        ""
    };
    Err(DataError::MissingFolder { folder: folder.to_owned(), names, advice: advice.to_owned() })
}

/// The first file of a folder that has one of these names.
pub(super) fn find(folder: &Path, wanted: &'static str, names: &[String]) -> Result<PathBuf, DataError> {
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let below = find_below(folder, names, DEEPEST).map(|folder| format!("; {} has it", folder.display()));
        let (folder, names, advice) = (folder.to_owned(), names.join(" or "), below.unwrap_or_default());
        DataError::MissingFile { folder, wanted, names, advice }
    })
}

/// How far below a folder its files are looked for: torchvision puts them into MNIST/raw.
const DEEPEST: usize = 3;

/// The first folder below one, by name, that has a file of one of these names.
fn find_below(folder: &Path, names: &[String], depth: usize) -> Option<PathBuf> {
    let depth = depth.checked_sub(1)?;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(1000).map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir() && !path.is_symlink()).collect();
    folders.sort();
    let has = |folder: &&PathBuf| names.iter().any(|name| folder.join(name).is_file());
    let here = folders.iter().find(has).cloned();
    here.or_else(|| folders.iter().find_map(|folder| find_below(folder, names, depth)))
}

fn plain_or_gzipped(names: &[&str]) -> Vec<String> {
    names.iter().flat_map(|name| [name.to_string(), format!("{name}.gz")]).collect()
}
