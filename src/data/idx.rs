//! The IDX format of MNIST: a header with the element type and the sizes, then the values in row-major order.
//!
//! ```
//! use trainability::data::Idx;
//!
//! let labels = Idx { dimensions: vec![3], values: vec![7, 2, 1] };
//! assert_eq!(labels.encode(), [0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]);
//! assert_eq!(Idx::read(&labels.encode()[..], 1)?, labels);
//! # Ok::<(), trainability::data::IdxError>(())
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::{DataError, IdxError};

const UNSIGNED_BYTE: u8 = 8;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// A gzipped file may announce, and hold, a thousand times what its size on the disk suggests. The largest set of this
/// format, EMNIST, has 640 million.
const MOST_VALUES: u64 = 1 << 30;

/// The content of an IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The sizes, slowest first.
    pub dimensions: Vec<u32>,
    /// As many values as the product of the sizes.
    pub values: Vec<u8>,
}

impl Idx {
    /// The bytes of the file that holds it.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0, 0, UNSIGNED_BYTE, self.dimensions.len() as u8];
        bytes.extend(self.dimensions.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(&self.values);
        bytes
    }

    /// Reads a file with the given number of dimensions, plain or gzipped: its content says which, not its name.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] or [`DataError::Idx`], with the path.
    pub fn load(path: &Path, dimensions: u8) -> Result<Idx, DataError> {
        let file = File::open(path).map_err(|problem| DataError::Unreadable { path: path.to_owned(), problem })?;
        Idx::read(BufReader::new(file), dimensions).map_err(|problem| DataError::Idx { path: path.to_owned(), problem })
    }

    /// Reads the bytes of such a file, which must end where the values do.
    ///
    /// # Errors
    /// Any [`IdxError`]. Memory grows with what has been read, never with what the header announces.
    pub fn read(mut reader: impl BufRead, dimensions: u8) -> Result<Idx, IdxError> {
        let start = reader.fill_buf().map_err(|problem| IdxError::Unreadable { problem })?;
        if start.starts_with(&GZIP_MAGIC) {
            read_plain(MultiGzDecoder::new(reader), dimensions)
        } else {
            read_plain(reader, dimensions)
        }
    }
}

fn read_plain(mut reader: impl Read, expected: u8) -> Result<Idx, IdxError> {
    let length = 4 + 4 * usize::from(expected);
    let mut header = Vec::with_capacity(length);
    fill(&mut reader, 4, &mut header)?;
    let Some(&magic) = header.first_chunk::<4>() else {
        return Err(IdxError::TruncatedHeader { found: header.len(), expected: length });
    };
    let [first, second, element_type, found] = magic;
    if [first, second] != [0, 0] {
        return Err(IdxError::Magic { found: magic, expected });
    }
    if element_type != UNSIGNED_BYTE {
        return Err(IdxError::ElementType { found: element_type });
    }
    if found != expected {
        return Err(IdxError::Dimensions { found, expected });
    }
    fill(&mut reader, length as u64 - 4, &mut header)?;
    if header.len() < length {
        return Err(IdxError::TruncatedHeader { found: header.len(), expected: length });
    }
    let (sizes, _) = header[4..].as_chunks::<4>();
    let dimensions: Vec<u32> = sizes.iter().map(|size| u32::from_be_bytes(*size)).collect();
    if dimensions.contains(&0) {
        return Err(IdxError::Empty { dimensions });
    }
    let count = dimensions.iter().try_fold(1, |product: u64, &size| product.checked_mul(size.into()));
    let Some(count) = count.filter(|&count| count <= MOST_VALUES) else {
        return Err(IdxError::TooLarge { dimensions, most: MOST_VALUES });
    };
    let mut values = Vec::new();
    // One more than announced: to see whether the file ends there, and to have gzip's own checksum checked.
    fill(&mut reader, count + 1, &mut values)?;
    let found = values.len() as u64;
    if found < count {
        return Err(IdxError::Truncated { dimensions, found, expected: count });
    }
    if found > count {
        return Err(IdxError::TrailingBytes { dimensions, expected: count });
    }
    values.shrink_to_fit();
    Ok(Idx { dimensions, values })
}

/// Appends up to `most` bytes, fewer where the reader ends.
fn fill(reader: &mut impl Read, most: u64, into: &mut Vec<u8>) -> Result<(), IdxError> {
    match reader.by_ref().take(most).read_to_end(into) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let problem = io::Error::new(error.kind(), "the gzip stream is truncated");
            Err(IdxError::Unreadable { problem })
        }
        Err(problem) => Err(IdxError::Unreadable { problem }),
    }
}
