//! How the files of a set number its classes: from 0 on or, as those of EMNIST's letters do, from 1 on.

use std::path::Path;

use super::DataError;

/// The numbers that a set's files give its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    /// That of the first class.
    pub(super) first: u8,
    /// How many classes there are.
    pub(super) classes: u8,
}

impl Numbering {
    /// What the labels of the training images say: they begin at 0 or 1, and the highest is the last class. Numbers between
    /// these that no image has are classes all the same, so that a part of a set may lack some.
    ///
    /// # Errors
    /// They begin higher, name a single class, or more of them than a byte counts.
    pub(super) fn of(path: &Path, labels: &[u8]) -> Result<Numbering, DataError> {
        let [least, most] = ends(labels);
        if least > 1 {
            return Err(DataError::FirstLabel { path: path.to_owned(), least, most });
        }
        if least == most {
            return Err(DataError::OneClass { path: path.to_owned(), label: least });
        }
        let numbering = Numbering { first: least, classes: (most - least).saturating_add(1) };
        numbering.check(path, labels)?;
        Ok(numbering)
    }

    /// Refuses a label that names no class.
    ///
    /// # Errors
    /// The first one.
    pub(super) fn check(self, path: &Path, labels: &[u8]) -> Result<(), DataError> {
        let Numbering { first, classes } = self;
        let names_none = |label: &u8| label.checked_sub(first).is_none_or(|class| class >= classes);
        let Some(index) = labels.iter().position(names_none) else { return Ok(()) };
        let [least, most] = ends(labels);
        let advice = match [least, most] == [first + 1, first.saturating_add(classes)] {
            true => format!(", and these go from {least} to {most}: subtract 1 from each"),
            false => format!(", and these go from {least} to {most}"),
        };
        let last = first + (classes - 1);
        Err(DataError::LabelOutOfRange { path: path.to_owned(), index, label: labels[index], first, last, advice })
    }

    /// The class of each of these labels, counted from 0.
    ///
    /// # Errors
    /// One names none.
    pub(super) fn classes_of(self, path: &Path, labels: Vec<u8>) -> Result<Vec<u8>, DataError> {
        self.check(path, &labels)?;
        Ok(labels.into_iter().map(|label| label - self.first).collect())
    }
}

/// The least and the highest.
fn ends(labels: &[u8]) -> [u8; 2] {
    [labels.iter().min(), labels.iter().max()].map(|label| label.copied().unwrap_or_default())
}
